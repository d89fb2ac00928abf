import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { foldBatchNorm } from "../../src/ir/foldBatchNorm.ts";
import { fuseActivations } from "../../src/ir/fuse.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { validate } from "../../src/ir/validate.ts";
import { allNetworks, GraphBuilder, optionA, preActivation, residual } from "./builders.ts";
import { evaluate } from "./evaluate.ts";

const batchNorms = (graph: Graph) =>
  graph.nodes.filter((node) => node.op === "batchNorm").map((node) => node.name);

/** Largest difference of the outputs, relative to the largest output or to 1: a ReLU may leave next to nothing. */
function difference(a: Graph, b: Graph, input: Float64Array): number {
  const [left, right] = [a, b].map((graph) => evaluate(graph, { input }).get(graph.outputs[0]!)!);
  const largest = left!.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  return (
    left!.reduce((max, value, i) => Math.max(max, Math.abs(value - right![i]!)), 0) / Math.max(largest, 1)
  );
}

function image(size: number, seed = 1): Float64Array {
  return Float64Array.from({ length: size }, (_, i) => Math.sin(seed + 1.7 * i));
}

describe("foldBatchNorm", () => {
  it.each(allNetworks())("keeps %s valid and untouched", (_name, graph) => {
    const before = structuredClone(graph);
    const folded = foldBatchNorm(graph);
    validate(folded);
    expect(graph).toEqual(before);
    expect(folded.outputs).toEqual(graph.outputs);
    expect(foldBatchNorm(folded)).toEqual(folded);
  });

  it.each([residual(2), optionA()].map((graph) => [graph.name, graph] as const))(
    "folds all of %s without changing what it computes",
    (_name, graph) => {
      const folded = foldBatchNorm(graph);
      expect(batchNorms(folded)).toEqual([]);
      // Weights rounded once to float32, nothing else.
      expect(difference(graph, folded, image(192))).toBeLessThan(1e-6);
      expect(difference(graph, foldBatchNorm(fuseActivations(graph)), image(192))).toBeLessThan(1e-6);
    },
  );

  it("computes the same for any layer, with or without a bias", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("conv", "grouped", "depthwise", "dense"),
        fc.boolean(),
        fc.integer({ min: 1, max: 1e6 }),
        fc.integer({ min: 1, max: 3 }),
        (kind, bias, seed, multiplier) => {
          const b = new GraphBuilder(kind === "dense" ? [-1, 4] : [-1, 3, 3, 4], { seed });
          const layer =
            kind === "dense"
              ? b.dense("layer", "input", 3, { bias })
              : kind === "depthwise"
                ? b.depthwise("layer", "input", { bias, multiplier })
                : b.conv("layer", "input", 6, { bias, groups: kind === "grouped" ? 2 : 1 });
          const graph = b.outputs(b.norm("bn", layer, { kind: "relu" }));
          const folded = foldBatchNorm(graph);
          expect(folded.nodes).toMatchObject([
            { name: "layer", output: "bn:0", activation: { kind: "relu" } },
          ]);
          expect(difference(graph, folded, image(kind === "dense" ? 4 : 36, seed))).toBeLessThan(1e-5);
        },
      ),
    );
  });

  it("rounds each folded weight once, from float64", () => {
    const b = new GraphBuilder([-1, 2]);
    const graph = b.outputs(b.norm("bn", b.dense("fc", "input", 3)));
    const at = (name: string, i: number) => graph.constants.get(name)!.data[i]!;
    const folded = foldBatchNorm(graph);
    for (let o = 0; o < 3; o++) {
      const gain = at("bn/scale", o) / Math.sqrt(at("bn/variance", o) + 1e-3);
      expect(folded.constants.get("fc/filter")!.data[3 + o]).toBe(Math.fround(at("fc/filter", 3 + o) * gain));
      expect(folded.constants.get("fc/bias")!.data[o]).toBe(
        Math.fround((at("fc/bias", o) - at("bn/mean", o)) * gain + at("bn/offset", o)),
      );
    }
  });

  it("leaves the BatchNorms of a pre-activation network that have no layer of their own", () => {
    const folded = foldBatchNorm(preActivation());
    // "stem" also feeds the skip, and sums are no layers; only the BatchNorm inside each unit folds.
    expect(batchNorms(folded)).toEqual(["unit1.bn1", "unit2.bn1", "post.bn"]);
    expect(difference(preActivation(), folded, image(192))).toBeLessThan(1e-6);
  });

  it("leaves a BatchNorm behind an activation or a graph output", () => {
    const b = new GraphBuilder([-1, 3, 3, 2]);
    const activated = b.conv("a", "input", 2, { activation: { kind: "relu" } });
    const given = b.conv("b", b.norm("a.bn", activated), 2);
    const graph = b.outputs(given, b.norm("b.bn", given));
    expect(foldBatchNorm(graph)).toEqual(graph);
  });

  it("does not corrupt a filter that another layer reads too", () => {
    const b = new GraphBuilder([-1, 4]);
    const first = b.norm("bn1", b.dense("one", "input", 4));
    const second = b.norm("bn2", b.dense("two", first, 4));
    const third = b.dense("three", second, 4);
    const graph = b.outputs(third);
    for (const name of ["two", "three"]) {
      const node = graph.nodes.find((each) => each.name === name)!;
      node.inputs = [node.inputs[0]!, "one/filter", "one/bias"];
    }
    const folded = foldBatchNorm(graph);
    expect(folded.constants.get("one/filter")).toBe(graph.constants.get("one/filter"));
    expect(new Set(folded.nodes.map((node) => node.inputs[1])).size).toBe(3);
    expect(difference(graph, folded, image(4))).toBeLessThan(1e-6);
  });

  it("reports weights that leave float32", () => {
    const b = new GraphBuilder([-1, 2]);
    const graph = b.outputs(b.norm("bn", b.dense("fc", "input", 3)));
    graph.constants.get("bn/scale")!.data.fill(3e38);
    graph.constants.get("fc/filter")!.data.fill(100);
    expect(() => foldBatchNorm(graph)).toThrow(/"bn" into "fc" leaves the range/);
  });
});
