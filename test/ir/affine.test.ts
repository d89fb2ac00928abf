import { describe, expect, it } from "vitest";
import { affineStart } from "../../src/ir/affine.ts";
import { fuseActivations } from "../../src/ir/fuse.ts";
import { convNormRelu, GraphBuilder, inception, preActivation, residual, squeezeExcite } from "./builders.ts";

const names = (graph: Parameters<typeof affineStart>[0]) => affineStart(graph).norms.map(({ name }) => name);

describe("affineStart", () => {
  it.each([
    ["a residual network", residual(2), ["stem.bn"]],
    ["one with activations fused", fuseActivations(residual(2)), ["stem.bn"]],
    ["pre-activation: the stem has no nonlinearity", preActivation(), ["unit1.bn1"]],
    ["inception behind a stem", inception(), ["stem.bn"]],
  ])("ends at the first nonlinearity: %s", (_name, graph, expected) => {
    expect(names(graph)).toEqual(expected);
  });

  it("goes through rescaling, padding, pooling of means and a BatchNorm, but not through a product of values", () => {
    const b = new GraphBuilder([-1, 8, 8, 3]);
    const scaled = b.multiply(
      "scale",
      b.constant("factor", [1], () => 1 / 255),
      "input",
    );
    const conv = b.conv("conv1", b.pad("pad", scaled, [0, 1, 1, 0], [0, 1, 1, 0]), 4);
    const norm = b.norm("bn1", conv);
    const deeper = b.norm("bn2", b.conv("conv2", norm, 4));
    const gated = b.norm("bn3", squeezeExcite(b, "se", deeper, 4));
    const start = affineStart(b.outputs(gated));
    expect(start.norms.map(({ name }) => name)).toEqual(["bn1", "bn2"]);
    expect(start.graph.outputs).toEqual(["conv1:0", "conv2:0"]);
    expect(start.graph.nodes.map(({ name }) => name)).toEqual(["scale", "pad", "conv1", "bn1", "conv2"]);
  });

  it("takes every branch that begins at the input, and none behind a maximum", () => {
    const b = new GraphBuilder([-1, 8, 8, 3]);
    const left = convNormRelu(b, "left", "input", 4);
    const right = convNormRelu(b, "right", "input", 4);
    const pooled = convNormRelu(b, "pooled", b.upsample("up", b.maxPool("max", "input", 2)), 4);
    expect(names(b.outputs(b.add("sum", b.add("two", left, right), pooled)))).toEqual([
      "left.bn",
      "right.bn",
    ]);
  });

  it("leaves out BatchNorms that have never seen data", () => {
    const graph = residual(1);
    graph.constants.get("stem.bn/mean")!.data.fill(0);
    graph.constants.get("stem.bn/variance")!.data.fill(1);
    expect(names(graph)).toEqual([]);
  });
});
