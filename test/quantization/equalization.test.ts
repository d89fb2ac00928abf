import { beforeAll, describe, expect, test } from "vitest";
import { alone } from "../../src/engine/collective.ts";
import { type Images, inputValues, slice } from "../../src/images.ts";
import { assignBits } from "../../src/ir/bits.ts";
import { blockGraph, findBlocks } from "../../src/ir/blocks.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { isLayer } from "../../src/ir/rewrite.ts";
import { initializeKernels } from "../../src/kernels/heap.ts";
import { equalizeActivations, floatBlock } from "../../src/quantization/equalization.ts";
import { predict } from "../../src/session/evaluate.ts";
import { convChain, kerasMobileNetV1, mobileNetV1, prepared } from "../ir/builders.ts";
import { byPorts } from "../support/members.ts";
import { reconstruct } from "../support/stages.ts";
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

/** The values of each channel of what layer `name` gives. */
async function channelsOf(graph: Graph, name: string, images: Images): Promise<number[][]> {
  const { output } = graph.nodes.find((node) => node.name === name)!;
  const { shape, data } = await predict({ ...graph, outputs: [output] }, images);
  return Array.from({ length: shape.at(-1)! }, (_, c) =>
    Array.from(data.filter((_, i) => i % shape.at(-1)! === c)),
  );
}

/** Of max·r, r = 1.00, 0.99, … 0.01, the range whose 2ᵇ codes err least in the norm of 2.4. */
function bestRange(values: readonly number[], bits: number): number {
  const codes = 2 ** bits - 1;
  const errorOf = (range: number): number =>
    values.reduce((sum, value) => {
      const code = Math.min(codes, Math.round((value / range) * codes));
      return sum + Math.abs(value - (code / codes) * range) ** 2.4;
    }, 0);
  const ranges = Array.from({ length: 100 }, (_, i) => Math.max(...values) * (1 - i / 100));
  return ranges.reduce((best, range) => (errorOf(range) < errorOf(best) ? range : best));
}

/** What brings each channel to the largest range. */
function liftsOf(ranges: readonly number[]): number[] {
  return ranges.map((range) => (range > 0 ? Math.min(64, Math.max(...ranges) / range) : 1));
}

describe("equalizeActivations", () => {
  beforeAll(() => initializeKernels({ binary: "baseline" }));

  const graph = uneven(mobileNetV1(3), "conv_pw_1", "conv_dw_2");
  const images = waves(graph, 10, 2);
  const equalized = async (weightBits: number, activationBits: number, network = graph): Promise<Graph> => {
    const bits = assignBits(network, { weightBits, activationBits, setting: "brecq" });
    return (await equalizeActivations(network, bits, inputValues(network.inputs, images), slabs, alone))
      .lifted;
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
    const before = await channelsOf(graph, layer, images);
    const lifts = liftsOf(before.map((values) => bestRange(values, 4))).map((lift) => lift ** power);
    const after = await channelsOf(await equalized(4, 4), layer, images);
    after.forEach((values, c) => {
      values.forEach((value, i) => {
        expect(value).toBeCloseTo(Math.min(6, before[c]![i]! * lifts[c]!), 3);
      });
    });
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

  test("the function stays: exactly where nothing cuts it off, and nearly where what is rare is", async () => {
    const mobile = prepared(kerasMobileNetV1());
    const bits = assignBits(mobile, { weightBits: 4, activationBits: 4, setting: "qdrop" });
    const pictures = waves(mobile, 6, 2);
    const { float, lifted, lifts } = await equalizeActivations(
      mobile,
      bits,
      inputValues(mobile.inputs, pictures),
      slabs,
      alone,
    );
    expect(changed(mobile, lifted).length).toBeGreaterThan(3);
    expect(lifts.size).toBeGreaterThan(3);
    const [wanted, exact, near] = await Promise.all(
      [mobile, float, lifted].map((it) => predict(it, pictures)),
    );
    wanted!.data.forEach((value, i) => {
      expect(exact!.data[i]).toBeCloseTo(value, 5);
      expect(near!.data[i]).toBeCloseTo(value, 1);
    });
  });

  test("blocks of the float network are those of the other, with what lifts their channels", async () => {
    const bits = assignBits(graph, { weightBits: 4, activationBits: 4, setting: "brecq" });
    const equalized = await equalizeActivations(graph, bits, inputValues(graph.inputs, images), slabs, alone);
    let x = images;
    for (const block of findBlocks(graph))
      x = await predict(blockGraph(equalized.float, floatBlock(block, equalized)), x);
    const wanted = await predict(graph, images);
    x.data.forEach((value, i) => {
      expect(value).toBeCloseTo(wanted.data[i]!, 5);
    });
  });

  test("members find the gains of all images together", async () => {
    const bits = assignBits(graph, { weightBits: 4, activationBits: 4, setting: "brecq" });
    const members = byPorts(2);
    const results = await Promise.all(
      members.map((member) => {
        const share = slice(images, 5 * member.rank, 5 * (member.rank + 1));
        return equalizeActivations(graph, bits, inputValues(graph.inputs, share), slabs, member);
      }),
    );
    for (const member of members) member.close();
    const wanted = await equalizeActivations(graph, bits, inputValues(graph.inputs, images), slabs, alone);
    for (const result of results) expect(result).toEqual(wanted);
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
            const settings = {
              weightBits: 8,
              activationBits: 4,
              symmetricWeights: false,
              iterations: 0,
              equalize,
            };
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
    expect(Math.max(...ratios)).toBeLessThan(1.2);
  });
});
