/** Ranges of inputs that no BatchNorm speaks of directly. */
import { beforeAll, describe, expect, test } from "vitest";
import { foldBatchNorm } from "../../src/ir/foldBatchNorm.ts";
import type { Activation, Graph, InputRange } from "../../src/ir/graph.ts";
import { initializeKernels } from "../../src/kernels/heap.ts";
import { estimateInputRanges } from "../../src/synthesis/estimateRange.ts";
import { classifier, convNormRelu, GraphBuilder } from "../ir/builders.ts";
import { discs, train } from "./trained.ts";

const RELU: Activation = { kind: "relu" };

/** conv → activation → bn → classifier, as many Keras networks have it. */
function late(activation: Activation, channels = 3): Graph {
  const b = new GraphBuilder([-1, 20, 20, channels], { seed: 9 });
  const first = b.activation("act", b.conv("conv", "input", 16, { bias: true }), activation);
  return b.outputs(classifier(b, b.norm("bn", first), 16));
}

/** Four convolutions, each with its BatchNorm. */
function deep(): Graph {
  const b = new GraphBuilder([-1, 32, 32, 3], { seed: 4 });
  let x = "input";
  for (const name of ["a", "b", "c", "d"]) x = convNormRelu(b, name, x, 16);
  return b.outputs(classifier(b, x, 16));
}

const PIXELS: [string, number[], number][] = [
  ["0…255", [120, 115, 104], 64],
  ["0…1", [0.47, 0.45, 0.41], 0.25],
  ["−1…1", [-0.06, -0.1, -0.18], 0.5],
];

beforeAll(() => initializeKernels());

describe("behind a nonlinearity", () => {
  test.each(PIXELS)("the first BatchNorms tell pixels of %s", async (_name, mean, std) => {
    const graph = await train(late(RELU), discs(48, 20, 20, mean, std));
    const { ranges, note } = estimateInputRanges(graph);
    for (const [c, value] of ranges[0]!.mean.entries()) {
      expect(Math.abs(value - mean[c]!)).toBeLessThan(0.4 * std);
    }
    for (const value of ranges[0]!.std) expect(Math.abs(Math.log(value / std))).toBeLessThan(0.35);
    expect(note).toMatch(/through the first nonlinearity/);
  });

  test("they tell a range that is no custom, whatever the nonlinearity", async () => {
    const graph = await train(late({ kind: "leakyRelu", alpha: 0.1 }), discs(48, 20, 20, [7, 7, 7], 2.5));
    const [range] = estimateInputRanges(graph).ranges as [InputRange];
    for (const value of range.mean) expect(Math.abs(value - 7)).toBeLessThan(2);
  });

  test("where the input makes no difference to them, it is said that the range is a guess", () => {
    const graph = late(RELU);
    graph.constants.get("conv/filter")!.data.fill(0);
    const { ranges, note } = estimateInputRanges(graph);
    expect(ranges).toEqual([{ mean: [0, 0, 0], std: [1, 1, 1] }]);
    expect(note).toMatch(/do not tell the input's range.*--input-range/);
  });
});

describe("without statistics", () => {
  test.each(PIXELS)(
    "the layers' answers tell pixels of %s from others of another size",
    async (_name, mean, std) => {
      const graph = foldBatchNorm(await train(deep(), discs(32, 32, 32, mean, std)));
      const { ranges, note } = estimateInputRanges(graph);
      // Customs for small numbers are a factor of 5 apart, 0…255 is 250 from them.
      for (const value of ranges[0]!.std) expect(Math.abs(Math.log(value / std))).toBeLessThan(Math.log(6));
      expect(note).toMatch(/no statistics tell the input's range: pixels .*--input-range/);
    },
  );

  test("a rescaling in front is part of the network: its pixels are of 0…255", async () => {
    const b = new GraphBuilder([-1, 32, 32, 3], { seed: 4 });
    const factor = b.constant("factor", [], () => 1 / 255);
    let x = b.multiply("rescaling", "input", factor);
    for (const name of ["a", "b", "c"]) x = convNormRelu(b, name, x, 16);
    const trained = await train(b.outputs(classifier(b, x, 16)), discs(32, 32, 32, [120, 115, 104], 64));
    const [range] = estimateInputRanges(foldBatchNorm(trained)).ranges as [InputRange];
    for (const value of range.std) expect(value).toBeGreaterThan(40);
  });

  test("what the file states is taken, and said", () => {
    const graph = foldBatchNorm(deep());
    const range = { mean: [3, 3, 3], std: [2, 2, 2] };
    graph.inputs[0]!.range = range;
    expect(estimateInputRanges(graph)).toEqual({
      ranges: [range],
      note: expect.stringMatching(/as the file states it: mean 3, deviation 2/),
    });
  });

  test("every input has a range: a picture's, and mean 0 and deviation 1 for features beside it", () => {
    const b = new GraphBuilder([-1, 32, 32, 3], { seed: 6 });
    const features = b.input("features", [-1, 5]);
    const picture = classifier(b, b.conv("conv", "input", 8, { bias: true, activation: RELU }), 8);
    const graph = b.outputs(picture, b.dense("own", features, 4));
    const { ranges } = estimateInputRanges(graph);
    expect(ranges).toHaveLength(2);
    expect(ranges[0]!.mean).toHaveLength(3);
    expect(ranges[1]).toEqual({ mean: [0], std: [1] });
  });
});
