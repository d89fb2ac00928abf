import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { segments } from "../../src/ir/cuts.ts";
import type { Graph, Node } from "../../src/ir/graph.ts";
import { removeDead } from "../../src/ir/rewrite.ts";

/** A random single-input single-output graph of relus and adds; node i reads one or two earlier values. */
const randomGraph: fc.Arbitrary<Graph> = fc
  .array(fc.tuple(fc.nat(), fc.option(fc.nat())), { minLength: 1, maxLength: 14 })
  .map((choices) => {
    const values = ["v0"];
    const nodes = choices.map(([a, b], i): Node => {
      // Mostly near values, so that cuts occur.
      const pick = (choice: number) => values[Math.max(0, values.length - 1 - (choice % 3))]!;
      const base = { name: `n${i}`, output: `v${i + 1}` };
      const node: Node =
        b === null
          ? { ...base, op: "activation", inputs: [pick(a)], activation: { kind: "relu" } }
          : { ...base, op: "add", inputs: [pick(a), pick(b)] };
      values.push(node.output);
      return node;
    });
    return removeDead({
      name: "random",
      inputs: [{ name: "v0", shape: [-1, 2] }],
      outputs: [values.at(-1)!],
      nodes,
      constants: new Map(),
    });
  });

/** Whether every path from the input to the output passes through `value`. */
function separates(graph: Graph, value: string): boolean {
  const reached = new Set(["v0"]);
  reached.delete(value);
  for (const node of graph.nodes) {
    if (node.output !== value && node.inputs.some((input) => reached.has(input))) reached.add(node.output);
  }
  return !reached.has(graph.outputs[0]!);
}

describe("segments", () => {
  it("ends at exactly the values that every path passes through", () => {
    fc.assert(
      fc.property(randomGraph, (graph) => {
        const expected = graph.nodes.map((node) => node.output).filter((value) => separates(graph, value));
        expect(segments(graph).map((segment) => segment.output)).toEqual(expected);
        expect(segments(graph).flatMap((segment) => segment.nodes)).toEqual(graph.nodes);
      }),
    );
  });

  it("does not depend on the order of the branches", () => {
    const node = (output: string, ...inputs: string[]): Node => ({ op: "add", name: output, inputs, output });
    const branches = [node("a", "x", "x"), node("b", "a", "a"), node("c", "x", "x")];
    const end = [node("d", "b", "c"), node("e", "d", "d")];
    for (const order of [
      [0, 1, 2],
      [0, 2, 1],
      [2, 0, 1],
    ]) {
      const graph: Graph = {
        name: "fork",
        inputs: [{ name: "x", shape: [-1, 2] }],
        outputs: ["e"],
        nodes: [...order.map((i) => branches[i]!), ...end],
        constants: new Map(),
      };
      expect(segments(graph).map(({ nodes, output }) => [nodes.length, output])).toEqual([
        [4, "d"],
        [1, "e"],
      ]);
    }
  });

  it("cuts behind what leads nowhere, as behind the value beside it", () => {
    const relu = (output: string, input: string): Node => ({
      op: "activation",
      name: output,
      inputs: [input],
      output,
      activation: { kind: "relu" },
    });
    const graph: Graph = {
      name: "dead-end",
      inputs: [{ name: "x", shape: [-1, 2] }],
      outputs: ["b"],
      nodes: [relu("a", "x"), relu("dead", "a"), relu("b", "a"), relu("dead2", "b")],
      constants: new Map(),
    };
    expect(segments(graph).map(({ nodes, output }) => [nodes.length, output])).toEqual([
      [1, "a"],
      [1, "a"],
      [1, "b"],
      [1, undefined],
    ]);
  });
});
