import { describe, expect, it } from "vitest";
import { assignBits } from "../../src/ir/bits.ts";
import { foldBatchNorm } from "../../src/ir/foldBatchNorm.ts";
import { summarize } from "../../src/ir/summary.ts";
import { allNetworks, convChain, GraphBuilder, mobileNetV1 } from "./builders.ts";

describe("summarize", () => {
  it("counts parameters and multiply-adds by hand", () => {
    const b = new GraphBuilder([-1, 8, 6, 4]);
    const x = b.conv("conv", "input", 6, { stride: 2, groups: 2, bias: true });
    const y = b.depthwise("dw", x, { multiplier: 2 });
    const graph = b.outputs(b.dense("fc", b.reshape("flat", y, [-1, 144]), 5));
    const summary = summarize(graph);
    expect(
      summary.nodes.map(({ name, parameters, multiplyAdds }) => [name, parameters, multiplyAdds]),
    ).toEqual([
      ["conv", 3 * 3 * 2 * 6 + 6, 4 * 3 * 6 * 3 * 3 * 2],
      ["dw", 3 * 3 * 12, 4 * 3 * 12 * 3 * 3],
      ["flat", 0, 0],
      ["fc", 144 * 5 + 5, 144 * 5],
    ]);
    expect(summary.parameters).toBe(114 + 108 + 725);
    expect(summary.multiplyAdds).toBe(1296 + 1296 + 720);
    expect(summary.floatBytes).toBe(4 * 947);
    expect(summary.outputs).toEqual([{ name: "fc:0", shape: [-1, 5] }]);
  });

  it("shows bits at the layers", () => {
    const graph = convChain(3);
    const { nodes, quantizedBytes } = summarize(
      graph,
      assignBits(graph, { weightBits: 2, activationBits: 4, setting: "qdrop" }),
    );
    const layers = nodes.filter((node) => node.weightBits !== undefined);
    expect(layers.map(({ name, weightBits, inputBits }) => [name, weightBits, inputBits])).toEqual([
      ["stage0.conv", 8, undefined],
      ["stage1.conv", 2, 4],
      ["stage2.conv", 2, 4],
      ["fc", 8, 8],
    ]);
    const biases = 4 * (4 + 5 + 6 + 5);
    expect(quantizedBytes).toBe(9 * 12 + (9 * 20) / 4 + Math.ceil((9 * 30) / 4) + 30 + biases);
  });

  it("counts BatchNorms, layers and blocks", () => {
    const summary = summarize(mobileNetV1(2));
    expect(summary).toMatchObject({ layers: 6, batchNorms: 5, statistics: 4 + 4 + 5 + 5 + 6 });
    expect(summary.blocks.map((block) => block.name)).toContain("conv_dw_2");
    expect(summary).not.toHaveProperty("quantizedBytes");
    expect(summarize(foldBatchNorm(mobileNetV1(2))).batchNorms).toBe(0);
  });

  it.each(allNetworks())("is plain data for %s, which it leaves as it was", (_name, graph) => {
    const before = structuredClone(graph);
    const summary = summarize(graph);
    expect(JSON.parse(JSON.stringify(summary))).toEqual(summary);
    expect(graph).toEqual(before);
  });
});
