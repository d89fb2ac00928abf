import { beforeAll, describe, expect, test } from "vitest";
import { alone } from "../../src/engine/collective.ts";
import { type Images, inputValues, slice, type Values } from "../../src/images.ts";
import { assignBits } from "../../src/ir/bits.ts";
import { findBlocks } from "../../src/ir/blocks.ts";
import type { Graph, LayerNode } from "../../src/ir/graph.ts";
import { isLayer } from "../../src/ir/rewrite.ts";
import { type Binary, initializeKernels } from "../../src/kernels/heap.ts";
import { roundWithFeedback } from "../../src/quantization/feedback.ts";
import { samplePatches, type WindowedLayer } from "../../src/quantization/patches.ts";
import { floatForward, unquantized } from "../../src/quantization/quantizedBlock.ts";
import { roundBlock } from "../../src/quantization/roundBlock.ts";
import { createUnit } from "../../src/quantization/unit.ts";
import { predict } from "../../src/session/evaluate.ts";
import { convChain, mobileNetV1, mobileNetV2, prepared, residual } from "../ir/builders.ts";
import { byPorts } from "../support/members.ts";
import { reconstruct } from "../support/stages.ts";
import { waves } from "./waves.ts";

const slabs = { slabSize: 3, afterSlab: async () => {} };

/** Numbers in −1…1 that repeat late. */
function noise(length: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** aᵀ·b for a and b [N, K]. */
function gram(a: Float32Array, b: Float32Array, inputs: number): Float32Array {
  const sums = new Float32Array(inputs * inputs);
  for (let n = 0; n < a.length; n += inputs) {
    for (let i = 0; i < inputs * inputs; i++) {
      sums[i]! += a[n + Math.floor(i / inputs)]! * b[n + (i % inputs)]!;
    }
  }
  return sums;
}

function grids(outputs: number, step: number, most: number) {
  const all = (value: number) => new Float32Array(outputs).fill(value);
  return { step: all(step), least: all(-most), most: all(most) };
}

/** ‖x·(codes·step − w)‖² for x [N, K], w [K, O]. */
function outputError(x: Float32Array, w: Float32Array, codes: Float32Array, step: number, inputs: number) {
  const outputs = w.length / inputs;
  let error = 0;
  for (let n = 0; n < x.length; n += inputs) {
    for (let o = 0; o < outputs; o++) {
      let sum = 0;
      for (let i = 0; i < inputs; i++) {
        sum += x[n + i]! * (codes[i * outputs + o]! * step - w[i * outputs + o]!);
      }
      error += sum * sum;
    }
  }
  return error;
}

describe("roundWithFeedback", () => {
  const inputs = 12;
  const outputs = 5;
  const weights = noise(inputs * outputs, 1);
  /** A common part makes the inputs depend on each other. */
  const own = noise(400 * inputs, 2).map((value, i, all) => value * 0.3 + all[i - (i % inputs)]!);

  test("inputs that do not depend on each other are rounded to the nearest code", () => {
    const diagonal = new Float32Array(inputs * inputs);
    for (let i = 0; i < inputs; i++) diagonal[i * inputs + i] = 1 + i;
    const codes = roundWithFeedback(weights, diagonal, diagonal, grids(outputs, 0.25, 3));
    const nearest = weights.map((value) => Math.min(3, Math.max(-3, Math.round(value / 0.25))));
    expect(Array.from(codes, (code) => code + 0)).toEqual(Array.from(nearest, (code) => code + 0));
  });

  test("where they do, the output errs much less than with the nearest codes", () => {
    const sums = gram(own, own, inputs);
    const step = 0.3;
    const codes = roundWithFeedback(weights, sums, sums, grids(outputs, step, 7));
    const nearest = weights.map((value) => Math.round(value / step));
    const [fed, plain] = [codes, nearest].map((all) => outputError(own, weights, all, step, inputs));
    expect(fed!).toBeLessThan(0.5 * plain!);
  });

  test("on a fine grid it gives the damped least-squares weights for the inputs it is given", () => {
    const float = own.map((value, i) => value + 0.2 * Math.sin(i));
    const [h, g] = [gram(own, own, inputs), gram(own, float, inputs)];
    const step = 1e-4;
    const codes = roundWithFeedback(weights, h, g, grids(outputs, step, 1e6));
    // (H + λ)·w′ = (G + λ)·w with λ the mean of the diagonal.
    let damping = 0;
    for (let i = 0; i < inputs; i++) damping += h[i * inputs + i]! / inputs;
    for (let i = 0; i < inputs; i++) {
      for (let o = 0; o < outputs; o++) {
        let left = damping * codes[i * outputs + o]! * step;
        let right = damping * weights[i * outputs + o]!;
        for (let k = 0; k < inputs; k++) {
          left += h[i * inputs + k]! * codes[k * outputs + o]! * step;
          right += g[i * inputs + k]! * weights[k * outputs + o]!;
        }
        expect(Math.abs(left - right)).toBeLessThan(1e-3 * damping);
      }
    }
  });
});

describe.each<Binary>(["baseline", "relaxed"])("%s", (binary) => {
  beforeAll(() => initializeKernels({ binary }));
  const networks = [convChain(), residual(2), mobileNetV1(), mobileNetV2()].map(prepared);
  const layers = networks.flatMap((graph) =>
    graph.nodes
      .filter(isLayer)
      .map((layer): [string, string, Graph, LayerNode] => [graph.name, layer.name, graph, layer]),
  );

  test.each(layers)(
    "patches of %s, %s, times the filter are what the layer gives",
    async (_1, _2, graph, layer) => {
      const { activation: _, ...bare } = layer;
      const nodes = graph.nodes.map((node) => (node === layer ? (bare as LayerNode) : node));
      const images = waves(graph, 4);
      const wanted = await predict({ ...graph, nodes, outputs: [layer.output] }, images);
      const values = inputValues(graph.inputs, images);
      const patches = await samplePatches(graph, layer as WindowedLayer, values, 1e6, slabs);
      const filter = graph.constants.get(layer.inputs[1]!)!;
      const bias = graph.constants.get(layer.inputs[2]!)!.data;
      const size = patches.shape[1]!;
      const outputs = bias.length;
      expect(wanted.data.length).toBe(patches.shape[0]! * outputs);
      const depthwise = layer.op === "depthwiseConv2d";
      const channels = filter.shape.at(-2)!;
      const multiplier = filter.shape.at(-1)!;
      wanted.data.forEach((value, i) => {
        const [row, o] = [Math.floor(i / outputs) * size, i % outputs];
        let sum = bias[o]!;
        for (let k = 0; k < size; k++) {
          const x = patches.data[row + k]!;
          if (!depthwise) sum += x * filter.data[k * outputs + o]!;
          else if (k % channels === Math.floor(o / multiplier)) {
            sum += x * filter.data[k * multiplier + (o % multiplier)]!;
          }
        }
        expect(Math.abs(sum - value)).toBeLessThan(1e-3);
      });
    },
  );

  test.each(networks.map((graph) => [graph.name, graph] as const))(
    "%s at 3 bits errs less with feedback, in no block more",
    async (_name, graph) => {
      const images = waves(graph, 16);
      const float = await predict(graph, images);
      const outcome = async (feedback: boolean) => {
        const settings = {
          weightBits: 3,
          activationBits: 8,
          symmetricWeights: false,
          iterations: 0,
          feedback,
          equalize: false,
        };
        const { model, blocks } = await reconstruct(graph, images, settings);
        const { data } = await predict(model, images);
        return {
          first: blocks[1]!.loss,
          error: data.reduce((sum, v, i) => sum + (v - float.data[i]!) ** 2, 0),
        };
      };
      const [fed, nearest] = [await outcome(true), await outcome(false)];
      expect(fed.first).toBeLessThanOrEqual(nearest.first);
      expect(fed.error).toBeLessThan(nearest.error);
    },
  );

  /** Codes of a block of MobileNetV1 rounded by feedback, for its input in the float model and in the quantized one. */
  const codesOf = async (
    layer: string,
    inputs: (x: Images) => [float: Images, quantized: Images],
    correctBias: boolean,
    member = alone,
  ): Promise<number[][]> => {
    const graph = prepared(mobileNetV1());
    const block = findBlocks(graph).find(({ layers }) => layers.includes(layer))!;
    const bits = assignBits(graph, { weightBits: 3, activationBits: 8, setting: "brecq" });
    const pictures = inputValues(graph.inputs, waves(graph, 8));
    const x = await floatForward({ ...graph, outputs: block.inputs }, pictures, slabs);
    const [[name, own]] = [...x] as [[string, Images]];
    const named = (values: Images): Values => new Map([[name, values]]);
    const settings = { symmetricWeights: false, slabSize: 8 };
    const unit = await createUnit(unquantized(graph), block, bits, x, settings, alone);
    try {
      const [float, quantized] = inputs(own).map(named);
      const rounded = await roundBlock(unit, float!, quantized!, { correctBias }, slabs, member);
      return rounded!.weights.map(([, { data }]) => [...data]);
    } finally {
      unit.dispose();
    }
  };

  test.each([false, true])(
    "members that share the images round as one with all (bias corrected: %s)",
    async (corrected) => {
      const all = await codesOf("conv_dw_1", (x) => [x, x], corrected);
      const members = byPorts(2);
      const [first, second] = await Promise.all(
        members.map((member) => {
          const share = (x: Images): Images => slice(x, 4 * member.rank, 4 * (member.rank + 1));
          return codesOf("conv_dw_1", (x) => [share(x), share(x)], corrected, member);
        }),
      );
      for (const member of members) member.close();
      expect(second).toEqual(first);
      expect(first).toEqual(all);
    },
  );

  test("what the inputs lack on average is left to the bias where that is corrected", async () => {
    const lifted = (x: Images): [Images, Images] => [{ ...x, data: x.data.map((value) => value + 0.5) }, x];
    const same = (x: Images): [Images, Images] => [x, x];
    expect(await codesOf("conv_pw_1", lifted, true)).toEqual(await codesOf("conv_pw_1", same, true));
    expect(await codesOf("conv_pw_1", lifted, false)).not.toEqual(await codesOf("conv_pw_1", same, false));
  });
});
