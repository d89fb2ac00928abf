import { describe, expect, it } from "vitest";
import { type Graph, type QuantizedGraph, type QuantParams, quantRange } from "../../src/ir/graph.ts";
import { dequantize, toFakeQuantized } from "../../src/ir/quantized.ts";
import { validate } from "../../src/ir/validate.ts";
import { GraphBuilder, residual } from "./builders.ts";
import { evaluate } from "./evaluate.ts";

function perTensor(scale: number, zeroPoint = 0, bits = 4): QuantParams {
  return {
    bits,
    signed: false,
    perChannel: false,
    scale: Float32Array.of(scale),
    zeroPoint: Int32Array.of(zeroPoint),
  };
}

function quantized(graph: Graph, activations: Record<string, QuantParams>): QuantizedGraph {
  return { graph, weights: new Map(), activations: new Map(Object.entries(activations)) };
}

describe("toFakeQuantized", () => {
  it("lets every reader of a value read the quantized one", () => {
    const model = quantized(residual(1), { "stem.relu:0": perTensor(0.1), "flatten:0": perTensor(0.2) });
    const before = structuredClone(model);
    const graph = toFakeQuantized(model);
    validate(graph);
    expect(model).toEqual(before);
    const readers = graph.nodes.filter((node) => node.inputs.includes("stem.relu:0/quantized"));
    expect(readers.map((node) => node.name)).toEqual(["layer1.conv1", "layer1.add"]);
    expect(graph.nodes.filter((node) => node.inputs.includes("stem.relu:0")).map((node) => node.op)).toEqual([
      "fakeQuantize",
    ]);
  });

  it("quantizes inputs and leaves outputs", () => {
    const b = new GraphBuilder([-1, 4]);
    const first = b.dense("first", "input", 3);
    const graph = toFakeQuantized(
      quantized(b.outputs(first, b.dense("second", first, 2)), {
        input: perTensor(0.5),
        "first:0": perTensor(1),
      }),
    );
    expect(graph.nodes.map(({ name, inputs }) => [name, inputs[0]])).toEqual([
      ["input/fakeQuantize", "input"],
      ["first", "input/quantized"],
      ["first:0/fakeQuantize", "first:0"],
      ["second", "first:0/quantized"],
    ]);
    expect(graph.outputs).toEqual(["first:0", "second:0"]);
    expect(graph.inputs[0]!.name).toBe("input");
  });

  it("computes with integer weights and rounded activations", () => {
    const b = new GraphBuilder([-1, 3]);
    const graph = b.outputs(b.dense("fc", "input", 2, { bias: false }));
    const weights = {
      shape: [3, 2],
      data: Int16Array.of(0, 3, 1, 2, 3, 0),
      params: {
        bits: 2,
        signed: false,
        perChannel: true,
        scale: Float32Array.of(0.5, 0.25),
        zeroPoint: Int32Array.of(1, 2),
      },
    };
    const model: QuantizedGraph = {
      graph,
      weights: new Map([["fc/filter", weights]]),
      activations: new Map([["input", perTensor(0.5, 2, 3)]]),
    };
    // Inputs 0.6 → 0.5, −3 → (0 − 2)/2 = −1, 9 → (7 − 2)/2 = 2.5.
    const y = evaluate(toFakeQuantized(model), { input: [0.6, -3, 9] }).get("fc:0");
    expect([...y!]).toEqual([0.5 * -0.5 + -1 * 0 + 2.5 * 1, 0.5 * 0.25 + -1 * 0 + 2.5 * -0.5]);
  });

  it("avoids names that are taken", () => {
    const b = new GraphBuilder([-1, 2]);
    b.constant("input/quantized", [2]);
    const graph = toFakeQuantized(
      quantized(b.outputs(b.add("sum", "input", "input/quantized")), { input: perTensor(1) }),
    );
    validate(graph);
    expect(graph.nodes[1]!.inputs).toEqual(["input/quantized_2", "input/quantized"]);
  });

  it("rejects names that the graph lacks", () => {
    expect(() => toFakeQuantized(quantized(residual(1), { nowhere: perTensor(1) }))).toThrow(/"nowhere"/);
    const weights = new Map([["nowhere", { shape: [1], data: Int16Array.of(1), params: perTensor(1) }]]);
    expect(() => toFakeQuantized({ graph: residual(1), weights, activations: new Map() })).toThrow(
      /"nowhere"/,
    );
  });
});

describe("dequantize", () => {
  it("counts a depthwise filter's last two axes as its channels", () => {
    const params: QuantParams = {
      bits: 4,
      signed: true,
      perChannel: true,
      scale: Float32Array.of(1, 2, 3, 4, 5, 6),
      zeroPoint: Int32Array.of(0, 0, 0, 1, 1, 1),
    };
    const { qmin, qmax } = quantRange(params);
    const data = Int16Array.from({ length: 12 }, (_, i) => (i % 2 ? qmin : qmax));
    expect([...dequantize({ shape: [2, 1, 3, 2], data, params })]).toEqual([
      7, -16, 21, -36, 30, -54, 7, -16, 21, -36, 30, -54,
    ]);
  });
});
