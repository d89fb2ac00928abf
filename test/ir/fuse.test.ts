import { describe, expect, it } from "vitest";
import { fuseActivations } from "../../src/ir/fuse.ts";
import { inferShapes } from "../../src/ir/shapes.ts";
import { allNetworks, convChain, GraphBuilder } from "./builders.ts";
import { evaluate } from "./evaluate.ts";

const RELU = { kind: "relu" } as const;

describe("fuseActivations", () => {
  it("merges an activation into the node before it, under the activation's output", () => {
    const graph = fuseActivations(convChain(1));
    expect(graph.nodes.map((node) => node.op)).toEqual([
      "conv2d",
      "batchNorm",
      "globalAveragePool",
      "reshape",
      "dense",
    ]);
    expect(graph.nodes[1]).toMatchObject({ name: "stage0.bn", output: "stage0.relu:0", activation: RELU });
  });

  it("leaves what is also read elsewhere, is an output, or is activated already", () => {
    const shared = new GraphBuilder([-1, 4, 4, 2]);
    const x = shared.conv("conv", "input", 2);
    shared.outputs(shared.add("sum", x, shared.relu("relu", x)));
    const output = new GraphBuilder([-1, 4, 4, 2]);
    const y = output.conv("conv", "input", 2);
    output.outputs(y, output.relu("relu", y));
    const activated = new GraphBuilder([-1, 4, 4, 2]);
    activated.outputs(
      activated.relu("relu", activated.conv("conv", "input", 2, { activation: { kind: "tanh" } })),
    );
    const pooled = new GraphBuilder([-1, 4, 4, 2]);
    pooled.outputs(pooled.relu("relu", pooled.maxPool("pool", "input", 2)));
    for (const { graph } of [shared, output, activated, pooled])
      expect(fuseActivations(graph)).toEqual(graph);
  });

  it("fuses the first of two activations only", () => {
    const b = new GraphBuilder([-1, 4, 4, 2]);
    const first = b.relu("first", b.conv("conv", "input", 2));
    const graph = fuseActivations(b.outputs(b.activation("second", first, { kind: "tanh" })));
    expect(graph.nodes.map((node) => node.name)).toEqual(["conv", "second"]);
    expect(graph.nodes[0]).toMatchObject({ activation: RELU, output: "first:0" });
  });

  it.each(allNetworks())("keeps %s consistent, idempotent and untouched", (_name, graph) => {
    const before = structuredClone(graph);
    const fused = fuseActivations(graph);
    expect(graph).toEqual(before);
    inferShapes(fused);
    expect(fuseActivations(fused)).toEqual(fused);
    expect(fused.nodes.filter((node) => node.op === "activation").length).toBeLessThan(
      Math.max(1, graph.nodes.filter((node) => node.op === "activation").length),
    );
  });

  it("computes the same", () => {
    const graph = convChain(2);
    const input = Float64Array.from({ length: 192 }, (_, i) => Math.sin(i));
    const name = graph.outputs[0]!;
    expect(evaluate(fuseActivations(graph), { input }).get(name)).toEqual(
      evaluate(graph, { input }).get(name),
    );
  });
});
