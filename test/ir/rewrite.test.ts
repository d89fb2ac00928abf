import { describe, expect, it } from "vitest";
import { consumersOf, freshName, removeDead, subgraph } from "../../src/ir/rewrite.ts";
import { inferShapes } from "../../src/ir/shapes.ts";
import { allNetworks, convChain, GraphBuilder, residual } from "./builders.ts";

describe("rewrite", () => {
  it("finds who reads", () => {
    const graph = residual();
    expect(
      consumersOf(graph)
        .get("stem.relu:0")
        ?.map((node) => node.name),
    ).toEqual(["layer1.conv1", "layer1.add"]);
    expect(consumersOf(graph).has(graph.outputs[0]!)).toBe(false);
  });

  it("counts a value read twice by one node twice", () => {
    const b = new GraphBuilder([-1, 2, 2, 1]);
    b.outputs(b.add("double", "input", "input"));
    expect(consumersOf(b.graph).get("input")).toHaveLength(2);
  });

  it("makes names new", () => {
    const taken = new Set(["a", "a_2"]);
    expect([freshName(taken, "a"), freshName(taken, "a"), freshName(taken, "b")]).toEqual([
      "a_3",
      "a_4",
      "b",
    ]);
  });

  it("removes what no output depends on", () => {
    const b = new GraphBuilder([-1, 4, 4, 3]);
    const kept = b.conv("kept", "input", 2);
    b.relu("dead2", b.conv("dead1", kept, 2));
    const graph = removeDead(b.outputs(kept));
    expect(graph.nodes.map((node) => node.name)).toEqual(["kept"]);
    expect([...graph.constants.keys()]).toEqual(["kept/filter"]);
    expect(b.graph.nodes).toHaveLength(3);
  });

  it.each(allNetworks())("keeps all of %s", (_name, graph) => {
    expect(removeDead(graph)).toEqual(graph);
  });

  it("cuts out a part with what crosses its border", () => {
    const graph = convChain();
    const part = subgraph(graph, "part", ["stage1.conv", "stage1.bn", "stage1.relu"], inferShapes(graph));
    expect(part.inputs).toEqual([{ name: "stage0.relu:0", shape: [-1, 8, 8, 4] }]);
    expect(part.outputs).toEqual(["stage1.relu:0"]);
    expect([...part.constants.keys()].every((name) => name.startsWith("stage1."))).toBe(true);
    expect(part.constants.size).toBe(5);
  });
});
