import { describe, expect, it } from "vitest";
import type { GenieError } from "../../src/errors.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { validate } from "../../src/ir/validate.ts";
import { allNetworks, convChain } from "./builders.ts";

function complaint(change: (graph: Graph) => void): string {
  const graph = convChain();
  change(graph);
  try {
    validate(graph);
  } catch (error) {
    expect((error as GenieError).code).toBe("invalid-model");
    return (error as GenieError).message;
  }
  throw new Error("no error");
}

describe("validate", () => {
  it.each(allNetworks())("accepts %s", (_name, graph) => validate(graph));

  it("rejects two nodes of one name", () => {
    expect(complaint((graph) => Object.assign(graph.nodes[1]!, { name: "stage1.conv" }))).toMatch(
      /two nodes/,
    );
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    "rejects a weight of %d, naming constant and node",
    (value) => {
      const message = complaint((graph) => graph.constants.get("stage1.conv/filter")!.data.set([value], 7));
      expect(message).toMatch(/"stage1\.conv\/filter" of node "stage1\.conv".*index 7/);
    },
  );

  it("does not mind what nothing reads", () => {
    const graph = convChain();
    graph.constants.set("unused", { shape: [1], data: Float32Array.of(Number.NaN) });
    validate(graph);
  });

  it("rejects data that is not as long as its shape", () => {
    const message = complaint((graph) => {
      graph.constants.get("fc/bias")!.data = new Float32Array(4);
    });
    expect(message).toMatch(/"fc\/bias" has 4 values.*asks for 5/);
  });

  it("rejects a variance without a root", () => {
    const message = complaint((graph) => graph.constants.get("stage0.bn/variance")!.data.set([-1], 1));
    expect(message).toMatch(/"stage0\.bn".*variance -1/);
  });

  it("rejects an empty or NaN activation range", () => {
    const clip = (min: number, max: number) => (graph: Graph) => {
      Object.assign(graph.nodes[2]!, { activation: { kind: "clip", min, max } });
    };
    expect(complaint(clip(6, 0))).toMatch(/empty range/);
    expect(complaint(clip(0, Number.NaN))).toMatch(/NaN/);
  });

  it("rejects a model without inputs or outputs", () => {
    expect(complaint((graph) => graph.outputs.pop())).toMatch(/no output/);
    expect(complaint((graph) => graph.inputs.pop())).toMatch(/no input/);
  });
});
