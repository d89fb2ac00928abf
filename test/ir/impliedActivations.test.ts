import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Activation, type Graph, type Node, type QuantParams, quantRange } from "../../src/ir/graph.ts";
import { dropImpliedActivations, implies } from "../../src/ir/impliedActivations.ts";
import { GraphBuilder } from "./builders.ts";
import { evaluate } from "./evaluate.ts";

function grid(scale: number, bits = 8, signed = false, zeroPoint = 0): QuantParams {
  return {
    bits,
    signed,
    perChannel: false,
    scale: Float32Array.of(scale),
    zeroPoint: Int32Array.of(zeroPoint),
  };
}

/** An activation with a quantizer behind it, and nothing else. */
function chain(activation: Activation, params: QuantParams): Graph {
  return {
    name: "chain",
    inputs: [{ name: "x", shape: [-1, 64] }],
    outputs: ["q"],
    nodes: [
      { op: "activation", name: "act", inputs: ["x"], output: "y", activation },
      { op: "fakeQuantize", name: "quantize", inputs: ["y"], output: "q", params },
    ],
    constants: new Map(),
  };
}

const relu: Activation = { kind: "relu" };
const relu6: Activation = { kind: "clip", min: 0, max: 6 };

describe("an activation that its quantizer implies", () => {
  it("is left out only where no code changes, whatever the scale, the width and the bounds", () => {
    const activation = fc.oneof(
      fc.constant(relu),
      fc.record({
        kind: fc.constant("leakyRelu" as const),
        alpha: fc.double({ min: -1, max: 1, noNaN: true }),
      }),
      fc.record({
        kind: fc.constant("clip" as const),
        min: fc.constantFrom(0, -1, -6),
        max: fc.constantFrom(1, 6, Number.POSITIVE_INFINITY),
      }),
    );
    let dropped = 0;
    fc.assert(
      fc.property(
        activation,
        fc.integer({ min: 2, max: 8 }),
        fc.boolean(),
        fc.double({ min: 0.5, max: 1.5, noNaN: true }),
        fc.boolean(),
        (activation, bits, signed, factor, isLow) => {
          const { qmin, qmax } = quantRange({ bits, signed });
          const scale = Math.fround((factor * 6) / (qmax - qmin));
          const graph = chain(activation, grid(scale, bits, signed, isLow ? qmin : 0));
          const simpler = dropImpliedActivations(graph);
          if (simpler.nodes.length < graph.nodes.length) dropped++;
          const x = Float32Array.from({ length: 64 }, (_, i) => (i - 32) * 0.31);
          expect(evaluate(simpler, { x }).get("q")).toEqual(evaluate(graph, { x }).get("q"));
        },
      ),
      { numRuns: 500 },
    );
    expect(dropped).toBeGreaterThan(50);
  });

  it("is ReLU6 exactly where the top code is reached", () => {
    // 6 / s rounds to 255 from 254.5 on, and ties go to even.
    expect(implies(grid(6 / 255), relu6)).toBe(true);
    expect(implies(grid(6 / 254.6), relu6)).toBe(true);
    expect(implies(grid(6 / 254.4), relu6)).toBe(false);
    expect(implies(grid(0.5), { kind: "clip", min: 0, max: 127.25 })).toBe(false);
    expect(implies(grid(1), { kind: "clip", min: 0, max: 254.5 })).toBe(false);
    expect(implies(grid(1), { kind: "clip", min: 0, max: 254.51 })).toBe(true);
  });

  it("is none where the grid has codes below zero", () => {
    expect(implies(grid(1, 8, true), relu)).toBe(false);
    expect(implies(grid(1, 8, false, 3), relu)).toBe(false);
    expect(implies(grid(1, 8, true, -128), relu)).toBe(true);
  });

  it("stays where somebody else sees it: a reader without a quantizer, or the network's user", () => {
    const b = new GraphBuilder([-1, 4, 4, 2]);
    const y = b.conv("a", "input", 2, { activation: relu });
    const graph = b.outputs(y);
    const params = grid(0.1);
    const quantize: Node = { op: "fakeQuantize", name: "q", inputs: [y], output: "q:0", params };
    const seen = { ...graph, nodes: [...graph.nodes, quantize], outputs: [y, "q:0"] };
    expect(dropImpliedActivations(seen)).toEqual(seen);
    const unseen: Graph = { ...seen, outputs: ["q:0"] };
    expect(dropImpliedActivations(unseen).nodes[0]).not.toHaveProperty("activation");
  });
});
