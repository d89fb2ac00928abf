/** Element-wise functions, and what is none at inference. */
import { type Activation, quantRange } from "../../../../ir/graph.ts";
import { TensorProto_DataType as DataType } from "../../onnx_pb.ts";
import { checkInference } from "../dropout.ts";
import type { GraphBuilder } from "../graphBuilder.ts";
import type { Operation } from "../operation.ts";
import { isFloat, typeName } from "../tensors.ts";
import { onnxOrder, type QuantizedValue, type Value } from "../values.ts";
import type { Converter } from "./converter.ts";

/** What stands for "no bound" in ONNX: the largest single. */
const FLOAT_MAX = 3.4028234663852886e38;

export const activations: Record<string, Converter> = {
  Relu: activation(() => ({ kind: "relu" })),
  LeakyRelu: activation((operation) => ({
    kind: "leakyRelu",
    alpha: operation.float("alpha", Math.fround(0.01)),
  })),
  Sigmoid: activation(() => ({ kind: "sigmoid" })),
  Tanh: activation(() => ({ kind: "tanh" })),
  HardSigmoid: activation((operation) => ({
    kind: "hardSigmoid",
    alpha: operation.float("alpha", Math.fround(0.2)),
    beta: operation.float("beta", 0.5),
  })),
  HardSwish: activation(() => ({ kind: "hardSwish" })),
  /** Bounds are attributes up to operator set 10, optional inputs after. */
  Clip: (operation, graph) => {
    const [codes] = operation.inputs;
    if (codes?.kind === "quantized") return clipCodes(operation, codes);
    const min = operation.optionalScalar(1) ?? operation.float("min", -FLOAT_MAX);
    const max = operation.optionalScalar(2) ?? operation.float("max", FLOAT_MAX);
    return clip(operation, graph, 0, min, max);
  },
  Min: (operation, graph) => {
    const [index, most] = valueAndNumber(operation);
    return clip(operation, graph, index, -FLOAT_MAX, most);
  },
  Max: (operation, graph) => {
    const [index, least] = valueAndNumber(operation);
    return clip(operation, graph, index, least, FLOAT_MAX);
  },
  Softmax: (operation, graph) => {
    const x = operation.activation(0);
    const rank = x.shape.length;
    const isFlattened = operation.opset < 13;
    const axis = operation.axis(operation.int("axis", isFlattened ? 1 : -1), rank);
    if (axis === 0) throw operation.unsupported("it normalizes over the batch");
    const isOneAxis = x.shape.every((size, i) => i <= axis || size === 1);
    if (!isFlattened || isOneAxis) {
      return graph.add(operation, { op: "softmax", inputs: [x.name], axis: x.order.indexOf(axis) }, x.order);
    }
    // Before operator set 13, `axis` and all behind it are one axis.
    const behind = x.shape.slice(axis).reduce((product, size) => product * size, 1);
    const flat = graph.reorder(
      graph.reshape(operation, x, [...x.shape.slice(0, axis), behind], "flatten"),
      onnxOrder(axis + 1),
    );
    const y = graph.add(operation, { op: "softmax", inputs: [flat.name], axis }, flat.order);
    return graph.reshape(operation, y, x.shape, "unflatten");
  },
  Identity: (operation) => operation.inputs[0]!,
  Dropout: (operation) => {
    checkInference(operation);
    return operation.activation(0);
  },
  /** Between floating-point types: all of ours are single. */
  Cast: (operation) => {
    const to = operation.int("to", DataType.UNDEFINED) as DataType;
    if (!isFloat(to)) throw operation.unsupported(`it turns a value of the network into ${typeName(to)}`);
    return operation.activation(0);
  },
};

function activation(read: (operation: Operation) => Activation): Converter {
  return (operation, graph) => {
    const x = operation.activation(0);
    return graph.add(operation, { op: "activation", inputs: [x.name], activation: read(operation) }, x.order);
  };
}

function clip(operation: Operation, graph: GraphBuilder, index: number, min: number, max: number): Value {
  const x = operation.activation(index);
  const isRelu = min === 0 && max >= FLOAT_MAX;
  const activation: Activation = isRelu ? { kind: "relu" } : { kind: "clip", min, max };
  return graph.add(operation, { op: "activation", inputs: [x.name], activation }, x.order);
}

/** Codes between QuantizeLinear and DequantizeLinear that are cut off at the ends of a grid of fewer bits. */
function clipCodes(operation: Operation, value: QuantizedValue): QuantizedValue {
  const { qmin, qmax } = quantRange(value.params);
  const least = Math.max(operation.optionalScalar(1) ?? qmin, qmin);
  const most = Math.min(operation.optionalScalar(2) ?? qmax, qmax);
  const signed = least < 0;
  const bits = Math.log2(most - least + 1);
  const grid = Number.isInteger(bits) && bits >= 2 ? quantRange({ bits, signed }) : undefined;
  if (grid?.qmin !== least || grid.qmax !== most) {
    throw operation.unsupported(
      `it clips quantized integers to [${least}, ${most}], which is no grid of 2 to 8 bits`,
    );
  }
  return { ...value, params: { ...value.params, bits, signed } };
}

/** For two inputs: which one the network computes, and the number that the other one is. */
function valueAndNumber(operation: Operation): [index: number, number: number] {
  const index = operation.inputs.findIndex((value) => value?.kind !== "constant");
  const number = operation.inputs.length === 2 ? operation.optionalScalar(1 - index) : undefined;
  if (number === undefined) throw operation.unsupported("only one value and one number are supported");
  return [index, number];
}
