import { describe, expect, it } from "vitest";
import type { GenieError } from "../../src/errors.ts";
import type { Graph, Node, QuantParams } from "../../src/ir/graph.ts";
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
    expect(complaint(clip(0, Number.NaN))).toMatch(/"stage0\.relu".*0,NaN/);
    const open = convChain();
    clip(0, Number.POSITIVE_INFINITY)(open);
    validate(open);
    const steep = { activation: { kind: "leakyRelu", alpha: Number.POSITIVE_INFINITY } };
    expect(complaint((graph) => Object.assign(graph.nodes[2]!, steep))).toMatch(/leakyRelu.*Infinity/);
  });

  it("accepts a variance of 0 where epsilon lifts it", () => {
    const graph = convChain();
    graph.constants.get("stage0.bn/variance")!.data.fill(0);
    validate(graph);
  });

  it.each<[change: Partial<QuantParams>, complaint: RegExp]>([
    [{ bits: 9 }, /9 bits/],
    [{ scale: Float32Array.of(0.1, 0, 0.1, 0.1) }, /scales must be positive/],
    [{ zeroPoint: Int32Array.of(0, 0, 0, 16) }, /zero-points/],
    [{ zeroPoint: Int32Array.of(0) }, /zero-points/],
    [{ scale: Float32Array.of(1, 1) }, /2 scales/],
  ])("rejects fake quantization with %j", (change, expected) => {
    const message = complaint((graph) => {
      const params: QuantParams = {
        bits: 4,
        signed: false,
        perChannel: true,
        scale: new Float32Array(4).fill(0.1),
        zeroPoint: new Int32Array(4),
        ...change,
      };
      graph.nodes[2] = { ...graph.nodes[2]!, op: "fakeQuantize", params } as Node;
    });
    expect(message).toMatch(expected);
  });

  it("rejects a model without inputs or outputs", () => {
    expect(complaint((graph) => graph.outputs.pop())).toMatch(/no output/);
    expect(complaint((graph) => graph.inputs.pop())).toMatch(/no input/);
  });
});
