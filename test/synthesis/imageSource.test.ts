import { describe, expect, test } from "vitest";
import { foldBatchNorm } from "../../src/ir/foldBatchNorm.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { chooseSource } from "../../src/synthesis/imageSource.ts";
import { classifier, convChain, convNormRelu, GraphBuilder, residual, twoInputs } from "../ir/builders.ts";
import { reconstruct, synthesize } from "../support/stages.ts";

/** One BatchNorm behind many layers without. */
function sparse(): Graph {
  const b = new GraphBuilder([-1, 12, 12, 3]);
  let x = "input";
  for (let i = 0; i < 6; i++) x = b.conv(`conv${i}`, x, 4, { bias: true });
  return b.outputs(classifier(b, convNormRelu(b, "last", x, 4), 4));
}

const budget = { images: 6, batchSize: 4, iterations: 3, latents: 8, seed: 5 };

describe("images come", () => {
  test("from the statistics where there are BatchNorms, without a word", () => {
    expect(chooseSource(residual(), "auto")).toEqual({ mode: "genie" });
  });

  test("from the prior where none is left, and a note says what that means", () => {
    const { mode, note } = chooseSource(foldBatchNorm(residual()), "auto");
    expect(mode).toBe("prior");
    expect(note).toMatch(/no BatchNorm statistics: images come from a prior .*8 bits.*--data/);
  });

  test("from the prior where few layers have statistics, or several inputs ask for them", () => {
    expect(chooseSource(sparse(), "auto")).toMatchObject({
      mode: "prior",
      note: expect.stringMatching(/only 1 BatchNorm\(s\) to 8 layers/),
    });
    expect(chooseSource(twoInputs(), "auto").mode).toBe("prior");
  });

  test("as asked for: statistics that are not there are an error", () => {
    expect(chooseSource(residual(), "prior")).toEqual({ mode: "prior" });
    for (const mode of ["genie", "generator", "pixels"] as const) {
      expect(() => chooseSource(foldBatchNorm(convChain(2)), mode)).toThrow(/--mode prior/);
    }
  });
});

describe("drawn images", () => {
  test("do not depend on how many are drawn together with them, and their seed decides them", async () => {
    const graph = foldBatchNorm(convChain(2));
    const notes: string[] = [];
    const images = await synthesize(graph, { ...budget, onNote: (note) => notes.push(note) });
    expect(images.shape).toEqual([6, ...graph.inputs[0]!.shape.slice(1)]);
    expect(notes).toHaveLength(2);
    expect(await synthesize(graph, budget)).toEqual(images);
    expect(await synthesize(graph, { ...budget, seed: 6 })).not.toEqual(images);
    const fewer = await synthesize(graph, { ...budget, images: 4 });
    expect(fewer.data).toEqual(images.data.slice(0, fewer.data.length));
  });

  test("quantize a network without BatchNorm, and one with two inputs", async () => {
    for (const graph of [foldBatchNorm(residual()), foldBatchNorm(twoInputs())]) {
      const images = await synthesize(graph, budget);
      expect(Object.keys(images.others ?? {})).toEqual(graph.inputs.slice(1).map(({ name }) => name));
      const { blocks } = await reconstruct(graph, images, {
        weightBits: 8,
        activationBits: 8,
        iterations: 2,
        batchSize: 4,
      });
      expect(blocks.every(({ loss }) => Number.isFinite(loss))).toBe(true);
    }
  });
});
