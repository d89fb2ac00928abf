import { describe, expect, it } from "vitest";
import type { GenieError } from "../../src/errors.ts";
import { batchNormStatistics, requireBatchNorms } from "../../src/ir/batchNorms.ts";
import { foldBatchNorm } from "../../src/ir/foldBatchNorm.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { convChain, GraphBuilder, preActivation } from "./builders.ts";

function explanation(graph: Graph): string {
  try {
    requireBatchNorms(graph);
  } catch (error) {
    expect((error as GenieError).code).toBe("no-batch-norm");
    return (error as GenieError).message;
  }
  throw new Error("no error");
}

describe("batchNormStatistics", () => {
  it("lists mean and deviation of every BatchNorm's input, in order", () => {
    const graph = convChain(2);
    const found = requireBatchNorms(graph);
    expect(found.map(({ name, input, channels }) => [name, input, channels])).toEqual([
      ["stage0.bn", "stage0.conv:0", 4],
      ["stage1.bn", "stage1.conv:0", 5],
    ]);
    expect(found[0]!.mean).toEqual(graph.constants.get("stage0.bn/mean")!.data);
    const variance = graph.constants.get("stage0.bn/variance")!.data;
    expect(found[0]!.std).toEqual(variance.map((value) => Math.sqrt(value + 1e-6)));
  });

  it("hands out copies", () => {
    const graph = convChain(1);
    batchNormStatistics(graph)[0]!.mean.fill(9);
    expect(graph.constants.get("stage0.bn/mean")!.data).not.toContain(9);
  });

  it("leaves out those that have never seen data", () => {
    const graph = convChain(2);
    graph.constants.get("stage0.bn/mean")!.data.fill(0);
    expect(batchNormStatistics(graph)).toHaveLength(2);
    graph.constants.get("stage0.bn/variance")!.data.fill(1);
    expect(batchNormStatistics(graph).map(({ name }) => name)).toEqual(["stage1.bn"]);
  });

  it("finds those of a pre-activation network", () => {
    expect(batchNormStatistics(preActivation())).toHaveLength(5);
  });
});

describe("requireBatchNorms", () => {
  it("says that BatchNorm looks folded, and what to do", () => {
    const message = explanation(foldBatchNorm(convChain()));
    expect(message).toMatch(/All of its 3 convolution\(s\) have a bias.*looks folded/);
    expect(message).toContain("TrainingMode.PRESERVE");
    expect(message).toContain("do_constant_folding=False");
    expect(message).toContain("--data");
  });

  it("does not guess about folding where a convolution has no bias", () => {
    const b = new GraphBuilder([-1, 4, 4, 2]);
    const message = explanation(b.outputs(b.conv("b", b.conv("a", "input", 2, { bias: true }), 2)));
    expect(message).toContain("no images can be synthesized");
    expect(message).not.toContain("folded");
  });

  it("says that a model was never trained", () => {
    const graph = convChain(1);
    graph.constants.get("stage0.bn/mean")!.data.fill(0);
    graph.constants.get("stage0.bn/variance")!.data.fill(1);
    expect(explanation(graph)).toMatch(/1 BatchNorm\(s\) hold mean 0 and variance 1/);
  });
});
