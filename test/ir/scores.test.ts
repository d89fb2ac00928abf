import { describe, expect, it } from "vitest";
import { findBlocks } from "../../src/ir/blocks.ts";
import { foldBatchNorm } from "../../src/ir/foldBatchNorm.ts";
import { upToScores } from "../../src/ir/scores.ts";
import { convChain, kerasMobileNetV1, mobileNetV1, twoHeads } from "./builders.ts";

describe("upToScores", () => {
  it("cuts off a softmax, and what only moves its values", () => {
    const plain = upToScores(mobileNetV1());
    expect(plain.outputs).toEqual(["fc:0"]);
    expect(plain.nodes.at(-1)!.name).toBe("fc");
    const keras = upToScores(kerasMobileNetV1());
    expect(keras.outputs).toEqual(["preds:0"]);
    expect(keras.nodes.at(-1)!.name).toBe("preds");
  });

  it.each([convChain(), twoHeads()])("leaves networks without one as they are", (graph) => {
    expect(upToScores(graph)).toBe(graph);
  });

  it("makes the 1×1 classifier of MobileNetV1 a block of its own, with the pooling in front of it", () => {
    const blocks = findBlocks(upToScores(foldBatchNorm(kerasMobileNetV1())));
    expect(blocks.map(({ layers }) => layers)).toEqual([
      ["conv1"],
      ["conv_dw_0"],
      ["conv_pw_0"],
      ["conv_dw_1"],
      ["conv_pw_1"],
      ["preds"],
    ]);
    expect(blocks.at(-1)).toMatchObject({ nodes: ["pool", "reshape_1", "preds"], outputs: ["preds:0"] });
  });
});
