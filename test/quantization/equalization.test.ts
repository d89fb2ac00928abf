import { beforeAll, describe, expect, test } from "vitest";
import { alone } from "../../src/engine/collective.ts";
import { predict } from "../../src/evaluate.ts";
import { type Images, slice } from "../../src/images.ts";
import { assignBits } from "../../src/ir/bits.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { isLayer } from "../../src/ir/rewrite.ts";
import { initializeKernels } from "../../src/kernels/heap.ts";
import { equalizeActivations } from "../../src/quantization/equalization.ts";
import { reconstruct } from "../../src/quantization/reconstruct.ts";
import { convChain, kerasMobileNetV1, mobileNetV1, prepared } from "../ir/builders.ts";
import { byPorts } from "../support/members.ts";
import { waves } from "./waves.ts";

const slabs = { slabSize: 4, afterSlab: async () => {} };

/** A network one of whose channels is `weakness` times what it was, which the layer behind it makes up for. */
function uneven(raw: Graph, from: string, to: string, weak = 1, weakness = 0.02): Graph {
  const graph = prepared(raw);
  const layer = (name: string) => graph.nodes.find((node) => node.name === name)!;
  const scale = (name: string, factor: (index: number) => number): void => {
    const { shape, data } = graph.constants.get(name)!;
    graph.constants.set(name, { shape, data: data.map((value, i) => value * factor(i)) });
  };
  const channels = graph.constants.get(layer(from).inputs[2]!)!.shape[0]!;
  for (const name of layer(from).inputs.slice(1)) scale(name, (i) => (i % channels === weak ? weakness : 1));
  const inner = graph.constants.get(layer(to).inputs[1]!)!.shape.at(-1)!;
  scale(layer(to).inputs[1]!, (i) => (Math.floor(i / inner) % channels === weak ? 1 / weakness : 1));
  return graph;
}

/** Largest value of each channel of the value that layer `name` gives. */
async function maximaOf(graph: Graph, name: string, images: Images): Promise<number[]> {
  const { output } = graph.nodes.find((node) => node.name === name)!;
  const { shape, data } = await predict({ ...graph, outputs: [output] }, images);
  const channels = shape.at(-1)!;
  const maxima = new Array<number>(channels).fill(0);
  data.forEach((value, i) => {
    maxima[i % channels] = Math.max(maxima[i % channels]!, value);
  });
  return maxima;
}

describe("equalizeActivations", () => {
  beforeAll(() => initializeKernels({ binary: "baseline" }));

  const graph = uneven(mobileNetV1(3), "conv_pw_1", "conv_dw_2");
  const images = waves(graph, 10, 2);
  const equalized = (weightBits: number, activationBits: number, network = graph): Promise<Graph> => {
    const bits = assignBits(network, { weightBits, activationBits, setting: "brecq" });
    return equalizeActivations(network, bits, images, slabs, alone);
  };
  const changed = (before: Graph, after: Graph): string[] =>
    before.nodes
      .filter(isLayer)
      .filter(({ inputs: [, name] }) => after.constants.get(name!) !== before.constants.get(name!))
      .map(({ name }) => name);

  test.each([
    ["all that they lack where a depthwise layer reads a ReLU6", "conv_pw_1", 1],
    ["its root where another layer reads it", "conv_dw_2", 1 / 2],
  ])("lifts small channels by %s", async (_lift, layer, power) => {
    const before = await maximaOf(graph, layer, images);
    const top = Math.min(6, Math.max(...before));
    const after = await maximaOf(await equalized(4, 4), layer, images);
    after.forEach((value, c) => {
      const lacking = before[c]! > 0 ? Math.min(64, Math.max(1, top / before[c]!)) : 1;
      expect(value).toBeCloseTo(before[c]! * lacking ** power, 3);
    });
    const lifts = after.map((value, c) => (before[c]! > 0 ? value / before[c]! : 1));
    expect(Math.max(...lifts)).toBeGreaterThan(1.1);
  });

  test("leaves 8 bits alone, layers that mix channels, and filters with fewer bits than what they read", async () => {
    expect(await equalized(4, 8)).toBe(graph);
    const plain = prepared(convChain(4));
    expect(await equalized(4, 4, plain)).toBe(plain);
    // The stem's output has 8 bits in the "brecq" setting.
    expect(changed(graph, await equalized(2, 4))).toEqual([
      "conv_pw_1",
      "conv_dw_2",
      "conv_pw_2",
      "conv_dw_3",
    ]);
    expect(changed(graph, await equalized(4, 4)).length).toBeGreaterThan(4);
  });

  test("the function stays", async () => {
    const mobile = prepared(kerasMobileNetV1());
    const bits = assignBits(mobile, { weightBits: 4, activationBits: 4, setting: "qdrop" });
    const pictures = waves(mobile, 6, 2);
    const result = await equalizeActivations(mobile, bits, pictures, slabs, alone);
    expect(changed(mobile, result).length).toBeGreaterThan(3);
    const [wanted, found] = [await predict(mobile, pictures), await predict(result, pictures)];
    found.data.forEach((value, i) => {
      expect(value).toBeCloseTo(wanted.data[i]!, 5);
    });
  });

  test("members find the gains of all images together", async () => {
    const bits = assignBits(graph, { weightBits: 4, activationBits: 4, setting: "brecq" });
    const members = byPorts(2);
    const results = await Promise.all(
      members.map((member) => {
        const share = slice(images, 5 * member.rank, 5 * (member.rank + 1));
        return equalizeActivations(graph, bits, share, slabs, member);
      }),
    );
    for (const member of members) member.close();
    const wanted = await equalized(4, 4);
    for (const result of results) expect([...result.constants]).toEqual([...wanted.constants]);
  });

  test("quantized networks come closer to the float one: on average by half, and never much less close", async () => {
    const ratios: number[] = [];
    for (const height of [0.5, 1, 2]) {
      for (const weakness of [0.02, 0.1]) {
        for (const channel of [0, 1, 2, 3]) {
          const network = uneven(mobileNetV1(3), "conv_pw_1", "conv_dw_2", channel, weakness);
          const pictures = waves(network, 10, height);
          const float = await predict(network, pictures);
          const errorOf = async (equalize: boolean): Promise<number> => {
            const settings = { weightBits: 8, activationBits: 4, iterations: 0, equalize };
            const { model } = await reconstruct(network, pictures, settings);
            const { data } = await predict(model, pictures);
            return data.reduce((sum, value, i) => sum + (value - float.data[i]!) ** 2, 0);
          };
          ratios.push((await errorOf(true)) / (await errorOf(false)));
        }
      }
    }
    const mean = Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
    expect(mean).toBeLessThan(0.5);
    expect(Math.max(...ratios)).toBeLessThan(1.1);
  });
});
