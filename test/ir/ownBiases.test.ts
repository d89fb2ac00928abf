import { describe, expect, it } from "vitest";
import { foldBatchNorm } from "../../src/ir/foldBatchNorm.ts";
import { ownBiases } from "../../src/ir/ownBiases.ts";
import { consumersOf, isLayer } from "../../src/ir/rewrite.ts";
import { validate } from "../../src/ir/validate.ts";
import { allNetworks, GraphBuilder } from "./builders.ts";
import { evaluate } from "./evaluate.ts";

describe("ownBiases", () => {
  it.each(allNetworks())("every layer of %s reads a bias of its own", (_name, graph) => {
    const before = structuredClone(graph);
    const owned = ownBiases(foldBatchNorm(graph));
    validate(owned);
    expect(graph).toEqual(before);
    const consumers = consumersOf(owned);
    for (const layer of owned.nodes.filter(isLayer)) {
      expect(consumers.get(layer.inputs[2]!)).toEqual([layer]);
    }
    expect(ownBiases(owned)).toEqual(owned);
  });

  it("parts a bias that two layers share, adds zeros where there is none, and computes the same", () => {
    const b = new GraphBuilder([-1, 4, 4, 3]);
    const first = b.conv("first", "input", 3, { bias: true });
    const second = b.conv("second", first, 3, { bias: true });
    const graph = b.outputs(b.depthwise("third", second));
    const [one, two] = graph.nodes.filter(isLayer);
    two!.inputs[2] = one!.inputs[2]!;
    const owned = ownBiases(graph);
    const names = owned.nodes.filter(isLayer).map((layer) => layer.inputs[2]!);
    expect(new Set(names).size).toBe(3);
    expect(owned.constants.get(names[0]!)).toEqual(owned.constants.get(names[1]!));
    expect([...owned.constants.get(names[2]!)!.data]).toEqual([0, 0, 0]);
    const input = Float64Array.from({ length: 48 }, (_, i) => Math.sin(i));
    const [before, after] = [graph, owned].map((g) => evaluate(g, { input }).get(g.outputs[0]!));
    expect(after).toEqual(before);
  });
});
