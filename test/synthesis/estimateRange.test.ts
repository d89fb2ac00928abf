import { beforeAll, describe, expect, test } from "vitest";
import type { Graph, InputRange } from "../../src/ir/graph.ts";
import { type Binary, initializeKernels } from "../../src/kernels/heap.ts";
import { estimateInputRanges } from "../../src/synthesis/estimateRange.ts";
import { classifier, GraphBuilder } from "../ir/builders.ts";
import { discs, standardize, train, uniform } from "./trained.ts";

/** conv → bn → relu → classifier behind `before`, which writes what the convolution reads. */
function network(
  shape: number[],
  before: (b: GraphBuilder) => string = () => "input",
  { stride = 1, kernel = 3 } = {},
): Graph {
  const b = new GraphBuilder([-1, ...shape], { seed: 5 });
  const conv = b.conv("conv", before(b), 16, { bias: true, stride, kernel });
  return b.outputs(classifier(b, b.relu("relu", b.norm("bn", conv)), 16));
}

const estimateInputRange = (graph: Graph): InputRange => estimateInputRanges(graph).ranges[0]!;

const COLOURS = [125, 118, 96];

describe.each<Binary>(["baseline", "relaxed"])("range of the input, %s", (binary) => {
  beforeAll(() => initializeKernels({ binary }));

  test.each([
    ["raw pixels, 0…255", COLOURS, 63, 1],
    ["raw pixels, stride 2", COLOURS, 63, 2],
    ["one channel", [80], 70, 1],
    ["pixels in 0…1", [0.47, 0.44, 0.4], 0.25, 1],
    ["far from 0, small spread", [200, 210, 190], 12, 1],
  ])("%s: means within 0.1 std, std within 20 %%", async (_name, mean, std, stride) => {
    const graph = await train(
      network([24, 20, mean.length], undefined, { stride }),
      discs(48, 24, 20, mean, std),
    );
    const range = estimateInputRange(graph);
    expect(range.mean).toHaveLength(mean.length);
    for (const [c, value] of range.mean.entries()) expect(Math.abs(value - mean[c]!)).toBeLessThan(0.1 * std);
    for (const value of range.std) expect(Math.abs(value / std - 1)).toBeLessThan(0.2);
  });

  test("a rescaling in front is part of the network: the range is that of the raw pixels", async () => {
    const rescaled = network([24, 20, 3], (b) => {
      const scaled = b.multiply(
        "scale",
        "input",
        b.constant("factor", [], () => 1 / 127.5),
      );
      return b.add(
        "shift",
        scaled,
        b.constant("term", [1], () => -1),
      );
    });
    const range = estimateInputRange(await train(rescaled, discs(48, 24, 20, COLOURS, 63)));
    for (const [c, value] of range.mean.entries()) expect(Math.abs(value - COLOURS[c]!)).toBeLessThan(6.3);
    for (const value of range.std) expect(Math.abs(value / 63 - 1)).toBeLessThan(0.2);
  });

  test("padding in front is part of the network", async () => {
    const padded = network([24, 20, 3], (b) => b.pad("pad", "input", [0, 3, 3, 0], [0, 3, 3, 0]));
    const range = estimateInputRange(await train(padded, discs(48, 24, 20, COLOURS, 63)));
    for (const [c, value] of range.mean.entries()) expect(Math.abs(value - COLOURS[c]!)).toBeLessThan(6.3);
    for (const value of range.std) expect(Math.abs(value / 63 - 1)).toBeLessThan(0.2);
  });

  test("a BatchNorm on the input says it exactly", async () => {
    const b = new GraphBuilder([-1, 12, 12, 3]);
    const graph = b.outputs(classifier(b, b.conv("conv", b.norm("bn", "input"), 4), 4));
    const data = discs(16, 12, 12, COLOURS, 63);
    standardize(data, COLOURS, [60, 60, 60]);
    const { mean, std } = estimateInputRange(await train(graph, data));
    for (const [c, value] of mean.entries()) expect(Math.abs(value - COLOURS[c]!)).toBeLessThan(1);
    for (const value of std) expect(Math.abs(value - 60)).toBeLessThan(3);
  });

  test.each([
    [[0, 0, 0], 1],
    [[-0.2, -0.1, 0.1], 1.25],
    [[0.3, 0.3, 0.3], 0.8],
  ])("normalized inputs get exactly the published range: mean %j, std %d", async (mean, std) => {
    const graph = await train(network([24, 20, 3]), discs(48, 24, 20, mean, std));
    expect(estimateInputRange(graph)).toEqual({ mean: [0, 0, 0], std: [1, 1, 1] });
  });

  test("columns that mean different things are told apart, as far as the filters can", async () => {
    const mean = [-15, 1, 0, -1, 2, 0];
    const std = [24, 4, 3, 2, 1, 1];
    const data = discs(64, 30, 6, [0], 1);
    standardize(data, mean, std);
    const graph = await train(network([30, 6, 1], undefined, { kernel: 5 }), data);
    const range = estimateInputRange(graph);
    expect(range.mean).toHaveLength(6);
    expect(range.mean[0]).toBeLessThan(-12);
    for (const value of range.mean.slice(1)) expect(Math.abs(value)).toBeLessThan(5);
    expect(range.std[0]! / 24).toBeGreaterThan(0.6);
    expect(range.std[0]! / 24).toBeLessThan(1.5);
    for (const value of range.std.slice(1)) expect(value).toBeLessThan(range.std[0]! / 2);
  });

  test("features of a vector: each its mean and standard deviation", async () => {
    const mean = [100, -3, 0, 7, 0.5];
    const std = [20, 1, 0.5, 3, 0.1];
    const b = new GraphBuilder([-1, 5], { seed: 2 });
    const hidden = b.relu("relu", b.norm("bn", b.dense("dense", "input", 24)));
    const graph = b.outputs(b.dense("fc", hidden, 3));
    const data = Float32Array.from({ length: 5 * 400 }, (_, i) => uniform(i + 1));
    standardize(data, mean, std);
    const range = estimateInputRange(await train(graph, data));
    for (const [f, value] of range.mean.entries()) {
      expect(Math.abs(value - mean[f]!)).toBeLessThan(0.2 * Math.max(std[f]!, 1));
    }
    expect(Math.abs(range.std[0]! / 20 - 1)).toBeLessThan(0.1);
    expect(Math.abs(range.std[3]! / 3 - 1)).toBeLessThan(0.3);
  });

  test("a start that lets nothing through says nothing: the published range", () => {
    const graph = network([12, 12, 3]);
    graph.constants.get("conv/filter")!.data.fill(0);
    expect(estimateInputRange(graph)).toEqual({ mean: [0, 0, 0], std: [1, 1, 1] });
  });
});
