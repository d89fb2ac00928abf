/** Tables of ops for `run`: what each node of a Graph computes on tensors. */
import { type Tensor, tensor1d } from "@tensorflow/tfjs-core";
import { GenieError } from "../errors.ts";
import type { Activation, BatchNormNode, BinaryNode, NodeOf, OpName } from "../ir/graph.ts";
import { quantRange } from "../ir/graph.ts";
import { batchMatMul } from "../kernels/batchMatMul.ts";
import { conv2d } from "../kernels/conv2d.ts";
import { convTranspose2d } from "../kernels/convTranspose2d.ts";
import { depthwiseConv2d } from "../kernels/depthwise.ts";
import { binary } from "../kernels/elementwise.ts";
import { quantizeDequantize } from "../kernels/fakequant.ts";
import { gather } from "../kernels/gather.ts";
import { view } from "../kernels/heap.ts";
import { concat, pad, reshape, slice, softmax, transpose } from "../kernels/layout.ts";
import { dense } from "../kernels/matmul.ts";
import { scaleShift } from "../kernels/normalize.ts";
import { averagePool2d, globalAveragePool, maxPool2d } from "../kernels/pool.ts";
import { reduce } from "../kernels/reduce.ts";
import { resize } from "../kernels/resize.ts";
import { upsampleNearest } from "../kernels/spatial.ts";

/** What each op computes: a new tensor from the node's attributes and its input tensors. */
export type Ops = { [Op in OpName]: (node: NodeOf<Op>, inputs: Tensor[]) => Tensor };

/** Inference: filters are frozen, BatchNorm normalizes with its running statistics. */
export const inferenceOps: Ops = createOps({ frozenFilter: true });

/** Reconstruction: gradients reach the filters too. */
export const trainableOps: Ops = createOps({ frozenFilter: false });

/**
 * BatchNorm in inference mode as y = scale·x + shift: scale = γ/√(σ² + ε), shift = β − μ·scale, each [C].
 *
 * @param inputs [x, γ, β, μ, σ²]
 */
export function inferenceAffine(node: BatchNormNode, inputs: Tensor[]): { scale: Tensor; shift: Tensor } {
  const [gamma, beta, mean, variance] = inputs.slice(1).map((input) => view(input)) as [
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const scale = gamma.map((value, channel) => value / Math.sqrt(variance[channel]! + node.epsilon));
  const shift = beta.map((value, channel) => value - mean[channel]! * scale[channel]!);
  return { scale: tensor1d(scale), shift: tensor1d(shift) };
}

function createOps({ frozenFilter }: { frozenFilter: boolean }): Ops {
  return {
    conv2d: (node, [x, filter, bias]) =>
      epilogue(conv2d(x!, filter!, node, { frozenFilter }), bias, node.activation),
    depthwiseConv2d: (node, [x, filter, bias]) =>
      epilogue(depthwiseConv2d(x!, filter!, node, { frozenFilter }), bias, node.activation),
    convTranspose2d: (node, [x, filter, bias]) =>
      epilogue(convTranspose2d(x!, filter!, node, { frozenFilter }), bias, node.activation),
    dense: (node, [x, kernel, bias]) => epilogue(dense(x!, kernel!), bias, node.activation),
    batchNorm: (node, inputs) => {
      const { scale, shift } = inferenceAffine(node, inputs);
      return scaleShift(inputs[0]!, scale, shift, node.activation);
    },
    activation: (node, [x]) => scaleShift(x!, null, null, node.activation),
    add: binaryOp,
    multiply: binaryOp,
    subtract: binaryOp,
    divide: binaryOp,
    power: binaryOp,
    minimum: binaryOp,
    maximum: binaryOp,
    matMul: (_node, [a, b]) => batchMatMul(a!, b!),
    reduce: (node, [x]) => reduce(x!, node.kind, node.axes),
    averagePool: (node, [x]) => averagePool2d(x!, node),
    maxPool: (node, [x]) => maxPool2d(x!, node),
    globalAveragePool: (_node, [x]) => globalAveragePool(x!),
    upsampleNearest: (node, [x]) => upsampleNearest(x!, node.factors),
    resize: (node, [x]) => resize(x!, node),
    pad: (node, [x]) => pad(x!, node.before, node.after, node.mode, node.value),
    slice: (node, [x]) => slice(x!, node.begin, node.end, node.steps),
    gather: (node, [x]) => gather(x!, node.axis, node.indices),
    concat: (node, inputs) => concat(inputs, node.axis),
    reshape: (node, [x]) => reshape(x!, node.shape),
    transpose: (node, [x]) => transpose(x!, node.permutation),
    softmax: (node, [x]) => softmax(x!, node.axis),
    fakeQuantize: (node, [x]) => {
      const { scale, zeroPoint } = node.params;
      if (scale.length !== 1) {
        throw new GenieError(
          "unsupported-operator",
          `node "${node.name}" quantizes an activation per channel; activations are quantized per tensor`,
        );
      }
      const { qmin, qmax } = quantRange(node.params);
      return quantizeDequantize(x!, scale[0]!, zeroPoint[0]!, qmin, qmax);
    },
  };
}

function binaryOp(node: BinaryNode, [a, b]: Tensor[]): Tensor {
  return binary(node.op, a!, b!, node.activation);
}

/** Adds a layer's bias and applies its activation in one pass; the bare result is released. */
function epilogue(y: Tensor, bias: Tensor | undefined, activation: Activation | undefined): Tensor {
  if (!bias && !activation) return y;
  const out = scaleShift(y, null, bias ?? null, activation);
  y.dispose();
  return out;
}
