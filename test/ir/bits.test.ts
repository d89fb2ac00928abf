import { describe, expect, it } from "vitest";
import type { GenieError } from "../../src/errors.ts";
import { assignBits, type BitOptions } from "../../src/ir/bits.ts";
import { foldBatchNorm } from "../../src/ir/foldBatchNorm.ts";
import { fuseActivations } from "../../src/ir/fuse.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { allNetworks, convChain, GraphBuilder, kerasMobileNetV1, residual } from "./builders.ts";

const LOW: BitOptions = { weightBits: 2, activationBits: 4, setting: "brecq" };

function assign(graph: Graph, options: Partial<BitOptions> = {}) {
  const { weights, activations } = assignBits(fuseActivations(foldBatchNorm(graph)), { ...LOW, ...options });
  return { weights: Object.fromEntries(weights), activations: Object.fromEntries(activations) };
}

describe("assignBits", () => {
  it("keeps the ends at 8 bits", () => {
    expect(assign(residual(1))).toEqual({
      weights: { "stem.conv": 8, "layer1.conv1": 2, "layer1.conv2": 2, fc: 8 },
      // The stem's output feeds the block and its skip: one quantizer. "pool:0" feeds no layer.
      activations: { "stem.relu:0": 8, "layer1.relu1:0": 4, "flatten:0": 8 },
    });
  });

  it("takes the low width for the second layer's input in the QDrop setting", () => {
    expect(assign(residual(1), { setting: "qdrop" }).activations).toEqual({
      "stem.relu:0": 4,
      "layer1.relu1:0": 4,
      "flatten:0": 8,
    });
  });

  it.each(allNetworks())("means the same in %s with BatchNorm kept", (_name, graph) => {
    const { weights, activations } = assignBits(graph, LOW);
    expect({ weights: Object.fromEntries(weights), activations: Object.fromEntries(activations) }).toEqual(
      assign(graph),
    );
  });

  it("finds the last layer of MobileNetV1: a convolution in front of softmax and reshape", () => {
    expect(assign(kerasMobileNetV1())).toEqual({
      weights: { conv1: 8, conv_dw_0: 2, conv_pw_0: 2, conv_dw_1: 2, conv_pw_1: 2, preds: 8 },
      activations: {
        "conv1_bn:0": 8,
        "conv_dw_0_bn:0": 4,
        "pad_1:0": 4,
        "conv_dw_1_bn:0": 4,
        "reshape_1:0": 8,
      },
    });
  });

  it("lets the larger width win where layers share an input", () => {
    const b = new GraphBuilder([-1, 4, 4, 2]);
    const x = b.conv("a", "input", 2);
    const sum = b.add("sum", b.conv("b", x, 2), b.conv("c", x, 2));
    expect(assign(b.outputs(b.conv("d", b.conv("e", sum, 2), 2))).activations).toEqual({
      "a:0": 8,
      "sum:0": 4,
      "e:0": 8,
    });
  });

  it("leaves the images float, whoever reads them", () => {
    const b = new GraphBuilder([-1, 4, 4, 2]);
    const sum = b.add("sum", b.conv("a", "input", 2), b.conv("b", "input", 2));
    expect(assign(b.outputs(b.conv("c", sum, 2))).activations).toEqual({ "sum:0": 8 });
  });

  it("treats a single layer as first and last", () => {
    const b = new GraphBuilder([-1, 3]);
    expect(assign(b.outputs(b.dense("fc", "input", 2)))).toEqual({ weights: { fc: 8 }, activations: {} });
  });

  it("assigns nothing where there is no layer", () => {
    const b = new GraphBuilder([-1, 3]);
    expect(assign(b.outputs(b.relu("relu", "input")))).toEqual({ weights: {}, activations: {} });
  });

  it.each([
    { weightBits: 1 },
    { weightBits: 9 },
    { activationBits: 2.5 },
    { activationBits: Number.NaN },
    { setting: "BRECQ" as "brecq" },
  ])("rejects %j", (options) => {
    try {
      assign(convChain(), options);
      expect.unreachable();
    } catch (error) {
      expect((error as GenieError).code).toBe("invalid-option");
      expect((error as GenieError).message).toContain(Object.keys(options)[0]);
    }
  });
});
