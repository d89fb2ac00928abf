import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { equalize, lift, scalableLinks } from "../../src/ir/equalize.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { validate } from "../../src/ir/validate.ts";
import {
  allNetworks,
  autoencoder,
  convChain,
  GraphBuilder,
  inception,
  kerasMobileNetV1,
  mobileNetV2,
  prepared,
  residual,
} from "./builders.ts";
import { evaluate } from "./evaluate.ts";

/** With the ceiling of ReLU6 out of reach: gains move where it cuts off. */
function unlimited(graph: Graph): Graph {
  const nodes = graph.nodes.map((node) =>
    "activation" in node && node.activation?.kind === "clip"
      ? { ...node, activation: { ...node.activation, max: 1e6 } }
      : node,
  );
  return { ...graph, nodes };
}

const networks = (): Graph[] =>
  [convChain(), residual(2), inception(), kerasMobileNetV1(), mobileNetV2(), autoencoder()].map(prepared);

const namesOf = (graph: Graph): string[][] =>
  scalableLinks(prepared(graph)).map(({ from, to }) => [from.name, to.name]);

describe("scalableLinks", () => {
  it("finds layers behind layers, also behind zero padding; not what a skip path or a pool reads", () => {
    expect(namesOf(convChain(3))).toEqual([
      ["stage0.conv", "stage1.conv"],
      ["stage1.conv", "stage2.conv"],
    ]);
    expect(namesOf(residual(1))).toEqual([["layer1.conv1", "layer1.conv2"]]);
    expect(namesOf(autoencoder()).length).toBe(3);
    expect(namesOf(kerasMobileNetV1()).length).toBe(4);
  });

  it("finds what a layer gives without an activation, and not behind a sigmoid", () => {
    const b = new GraphBuilder([-1, 8, 8, 3]);
    const linear = b.depthwise("dw", b.conv("a", "input", 4, { bias: true }), { bias: true });
    const curved = b.conv("b", linear, 4, { bias: true, activation: { kind: "sigmoid" } });
    expect(namesOf(b.outputs(b.conv("c", curved, 2, { bias: true })))).toEqual([
      ["a", "dw"],
      ["dw", "b"],
    ]);
  });

  it("leaves layers with a filter in common alone", () => {
    const graph = prepared(convChain(3));
    const [first, second] = graph.nodes.filter((node) => node.op === "conv2d");
    second!.inputs[1] = first!.inputs[1]!;
    expect(scalableLinks(graph)).toEqual([]);
  });
});

describe("equalize", () => {
  it.each(allNetworks())("keeps %s valid and untouched", (_name, raw) => {
    const graph = prepared(raw);
    const before = structuredClone(graph);
    const gains = new Map(
      scalableLinks(graph).map((link) => {
        const channels = graph.constants.get(link.from.inputs[2]!)!.shape[0]!;
        return [link, new Float32Array(channels).fill(2)];
      }),
    );
    validate(equalize(graph, gains));
    validate(lift(graph, gains).graph);
    expect(graph).toEqual(before);
  });

  it.each(
    networks().flatMap((graph) => [
      [graph.name, "equalize", unlimited(graph), equalize] as const,
      [graph.name, "lift", graph, (...given: Parameters<typeof lift>) => lift(...given).graph] as const,
    ]),
  )("%s computes the same behind %s, whatever the gains", (_name, _change, graph, change) => {
    const size = graph.inputs[0]!.shape.slice(1).reduce((product, length) => product * length, 1);
    const input = Float64Array.from({ length: size }, (_, i) => Math.sin(1.7 * i));
    const links = scalableLinks(graph);
    expect(links.length).toBeGreaterThan(0);
    const wanted = evaluate(graph, { input }).get(graph.outputs[0]!)!;
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 1, max: 1.5, noNaN: true }), { minLength: 8, maxLength: 8 }),
        (factors) => {
          const gains = new Map(
            links.map((link, index) => {
              const channels = graph.constants.get(link.from.inputs[2]!)!.shape[0]!;
              return [link, Float32Array.from({ length: channels }, (_, c) => factors[(c + index) % 8]!)];
            }),
          );
          const found = evaluate(change(graph, gains), { input }).get(graph.outputs[0]!)!;
          const largest = wanted.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
          const error = wanted.reduce((max, value, i) => Math.max(max, Math.abs(value - found[i]!)), 0);
          expect(error).toBeLessThan(1e-5 * largest);
        },
      ),
      { numRuns: 20 },
    );
  });
});
