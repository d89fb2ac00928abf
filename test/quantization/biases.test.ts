import { beforeAll, describe, expect, test } from "vitest";
import { alone } from "../../src/engine/collective.ts";
import { type Images, inputValues, slice } from "../../src/images.ts";
import { fuseActivations } from "../../src/ir/fuse.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { isLayer } from "../../src/ir/rewrite.ts";
import { type Binary, initializeKernels } from "../../src/kernels/heap.ts";
import { correctBiases } from "../../src/quantization/biases.ts";
import type { BlockQuantization } from "../../src/quantization/quantizedBlock.ts";
import { predict } from "../../src/session/evaluate.ts";
import { convChain, mobileNetV1, mobileNetV2, prepared, residual } from "../ir/builders.ts";
import { byPorts } from "../support/members.ts";
import { reconstruct } from "../support/stages.ts";
import { waves } from "./waves.ts";

/** Channel means of what every layer gives behind its activation, in float64. */
async function layerMeans(graph: Graph, images: Images): Promise<number[][]> {
  const means: number[][] = [];
  for (const layer of graph.nodes.filter(isLayer)) {
    const { shape, data } = await predict({ ...graph, outputs: [layer.output] }, images);
    const channels = shape.at(-1)!;
    const sums = new Array<number>(channels).fill(0);
    data.forEach((value, i) => {
      sums[i % channels]! += value;
    });
    means.push(sums.map((sum) => (sum * channels) / data.length));
  }
  return means;
}

function largestDifference(a: number[][], b: number[][]): number {
  return Math.max(...a.flatMap((row, i) => row.map((value, j) => Math.abs(value - b[i]![j]!))));
}

/** Every filter rounded to one bit and a half: what shifts means a lot. */
function crudely(graph: Graph): { rounded: Graph; weights: BlockQuantization["weights"] } {
  const rounded = { ...graph, constants: new Map(graph.constants) };
  const weights: BlockQuantization["weights"] = graph.nodes.filter(isLayer).map((layer) => {
    const name = layer.inputs[1]!;
    const { shape, data } = graph.constants.get(name)!;
    const scale = 0.7 * data.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
    const codes = Int16Array.from(data, (value) => Math.round(value / scale));
    rounded.constants.set(name, { shape, data: Float32Array.from(codes, (code) => code * scale) });
    const params = {
      bits: 2,
      signed: true,
      perChannel: false,
      scale: Float32Array.of(scale),
      zeroPoint: Int32Array.of(0),
    };
    return [name, { shape, data: codes, params }];
  });
  return { rounded, weights };
}

describe.each<Binary>(["baseline", "relaxed"])("correctBiases, %s", (binary) => {
  beforeAll(() => initializeKernels({ binary }));
  const slabs = { slabSize: 3, afterSlab: async () => {} };
  const networks = [convChain(), residual(2), mobileNetV1(), mobileNetV2()];

  test.each(networks.map((graph) => [graph.name, graph] as const))(
    "every layer of %s has the float model's means again",
    async (_name, raw) => {
      const graph = prepared(raw);
      const images = waves(graph, 7);
      const inputs = inputValues(graph.inputs, images);
      const { rounded, weights } = crudely(graph);
      const wanted = await layerMeans(graph, images);
      const before = largestDifference(await layerMeans(rounded, images), wanted);
      const biases = await correctBiases(graph, { weights, activations: [] }, inputs, inputs, slabs, alone);
      for (const [name, bias] of biases) rounded.constants.set(name, bias);
      const after = largestDifference(await layerMeans(rounded, images), wanted);
      expect(before).toBeGreaterThan(0.05);
      expect(after).toBeLessThan(0.02 * before);
    },
  );

  test("members that share the images find what one finds with all of them", async () => {
    const graph = prepared(residual(1));
    const images = waves(graph, 8);
    const inputs = inputValues(graph.inputs, images);
    const { weights } = crudely(graph);
    const quantization = { weights, activations: [] };
    const all = await correctBiases(graph, quantization, inputs, inputs, slabs, alone);
    const members = byPorts(2);
    const [first, second] = await Promise.all(
      members.map((member) => {
        const share = inputValues(graph.inputs, slice(images, 4 * member.rank, 4 * (member.rank + 1)));
        return correctBiases(graph, quantization, share, share, slabs, member);
      }),
    );
    for (const member of members) member.close();
    expect(second).toEqual(first);
    all.forEach(([name, { data }], i) => {
      expect(first![i]![0]).toBe(name);
      data.forEach((value, channel) => {
        expect(first![i]![1].data[channel]).toBeCloseTo(value, 4);
      });
    });
  });

  test("reconstruction corrects unless told not to", async () => {
    const graph = fuseActivations(mobileNetV1());
    const images = waves(graph, 16);
    const settings = { weightBits: 2, iterations: 0, equalize: false };
    const folded = prepared(graph);
    const float = await predict(graph, images);
    const errorOf = async (correctBias: boolean): Promise<number> => {
      const { model } = await reconstruct(graph, images, { ...settings, correctBias });
      for (const layer of folded.nodes.filter(isLayer)) {
        const isSame = model.graph.constants
          .get(layer.inputs[2]!)!
          .data.every((value, i) => value === folded.constants.get(layer.inputs[2]!)!.data[i]);
        expect([layer.name, isSame]).toEqual([layer.name, !correctBias]);
      }
      const { data } = await predict(model, images);
      return data.reduce((sum, value, i) => sum + (value - float.data[i]!) ** 2, 0);
    };
    expect(await errorOf(true)).toBeLessThan(0.7 * (await errorOf(false)));
  });
});
