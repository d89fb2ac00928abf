/** Quantized files compute the same whatever onnxruntime makes of them. */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { exportOnnx } from "../../../src/formats/onnx/export.ts";
import { importOnnx } from "../../../src/formats/onnx/import.ts";
import { TensorProto_DataType as DataType } from "../../../src/formats/onnx/onnx_pb.ts";
import type { Graph, QuantizedGraph, QuantizedTensor } from "../../../src/ir/graph.ts";
import { isLayer, outputChannels } from "../../../src/ir/rewrite.ts";
import { GraphBuilder } from "../../ir/builders.ts";
import { OPTIMIZATIONS, runOnnx } from "../../support/onnxruntime.ts";
import { reconstruct } from "../../support/stages.ts";
import { drawn, expectClose, graphOf, operators, runExported } from "./exported.ts";

const CASES = new URL("../../../../shared/cases/", import.meta.url);

/** Weights and activations on the grids that a plain search would give; symmetric weights. */
function quantized(graph: Graph, weightBits: number, activationBits: number, top: number): QuantizedGraph {
  const weights = new Map<string, QuantizedTensor>();
  const layers = graph.nodes.filter(isLayer);
  for (const layer of layers) {
    const { shape, data } = graph.constants.get(layer.inputs[1]!)!;
    const channels = outputChannels(layer, { shape, data });
    const largest = new Float32Array(channels);
    data.forEach((value, i) => {
      largest[i % channels] = Math.max(largest[i % channels]!, Math.abs(value));
    });
    const scale = largest.map((value) => value / (2 ** (weightBits - 1) - 1));
    const codes = Int16Array.from(data, (value, i) => Math.round(value / scale[i % channels]!));
    const params = {
      bits: weightBits,
      signed: true,
      perChannel: true,
      scale,
      zeroPoint: new Int32Array(channels),
    };
    weights.set(layer.inputs[1]!, { shape, data: codes, params });
  }
  const params = {
    bits: activationBits,
    signed: false,
    perChannel: false,
    scale: Float32Array.of(top / (2 ** activationBits - 1)),
    zeroPoint: Int32Array.of(0),
  };
  return { graph, weights, activations: new Map(layers.slice(1).map(({ inputs }) => [inputs[0]!, params])) };
}

/** ReLU6 between convolutions, biases that matter, a dense layer at the end. */
function network(): Graph {
  const b = new GraphBuilder([-1, 12, 12, 3], { name: "levels" });
  const relu6 = { kind: "clip", min: 0, max: 6 } as const;
  const options = { bias: true, activation: relu6 };
  const stem = b.conv("stem", "input", 8, options);
  const x = b.conv("pw", b.depthwise("dw", stem, options), 8, { ...options, kernel: 1 });
  return b.outputs(b.dense("fc", b.reshape("flat", b.globalPool("pool", b.add("sum", x, stem)), [-1, 8]), 5));
}

const feeds = { input: { shape: [2, 3, 12, 12], data: drawn(2 * 3 * 144, 3) } };

async function answers(bytes: Uint8Array): Promise<Float32Array[]> {
  const found: Float32Array[] = [];
  for (const optimize of OPTIMIZATIONS) {
    found.push(Object.values(await runOnnx(bytes, feeds, { optimize }))[0]!.data);
  }
  return found;
}

describe("onnxruntime at every level of optimization", () => {
  it.each([
    [8, 8],
    [4, 8],
    [4, 4],
    [3, 3],
    [2, 4],
  ])("computes W%iA%i alike", async (weightBits, activationBits) => {
    const graph = network();
    // 6 < 255·s ≤ 6.0118 is where onnxruntime 1.24 and later refuse a Clip in front of the quantizer.
    for (const top of [6, 6.005, 6.01, 6.05, 5.9]) {
      const model = quantized(graph, weightBits, activationBits, top);
      const [plain, ...optimized] = await answers(exportOnnx(model));
      const range = plain!.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      for (const other of optimized) {
        // Sums of floats in another order may put a value on the other side of a rounding: a code, here and there.
        const error = Math.hypot(...other.map((value, i) => value - plain![i]!)) / Math.sqrt(other.length);
        expect(error / range).toBeLessThan(0.01);
      }
    }
  });

  it.each([
    [8, 8],
    [4, 8],
    [4, 4],
    [2, 4],
  ])(
    "gets W%iA%i as what it fuses: bytes in, signed weights without zero-points, INT32 biases",
    (...bits) => {
      const { node, initializer } = graphOf(exportOnnx(quantized(network(), ...bits, 6)));
      const tensors = new Map(initializer.map((tensor) => [tensor.name, tensor]));
      const writers = new Map(node.map((each) => [each.output[0]!, each]));
      const layers = node.filter(({ opType }) => opType === "Conv" || opType === "Gemm").slice(1);
      expect(layers.length).toBe(3);
      for (const { input } of layers) {
        const [x, weights, bias] = input.map((name) => writers.get(name)!);
        expect([x, weights, bias].map((each) => each!.opType)).toEqual(Array(3).fill("DequantizeLinear"));
        expect(tensors.get(weights!.input[0]!)!.dataType).toBe(DataType.INT8);
        expect([...tensors.get(weights!.input[2]!)!.rawData].every((zero) => zero === 0)).toBe(true);
        expect(tensors.get(bias!.input[0]!)!.dataType).toBe(DataType.INT32);
      }
      expect(
        operators(exportOnnx(quantized(network(), ...bits, 6))).filter((op) => op === "Add"),
      ).toHaveLength(1);
    },
  );

  it("adds a bias that 32 bits do not hold as floats", async () => {
    const graph = network();
    graph.constants.get("dw/bias")!.data[0] = 5;
    const model = quantized(graph, 8, 8, 6);
    model.weights.get("dw/filter")!.params.scale[0] = 1e-12;
    expect(operators(exportOnnx(model)).filter((op) => op === "Add")).toHaveLength(2);
    const [plain, ...optimized] = await answers(exportOnnx(model));
    for (const other of optimized) expectClose(other, plain!, 0.01);
  });

  it.skipIf(!existsSync(CASES)).each([
    ["tiny-weights-big-bias", 60],
    ["bn-tiny-variance", 30],
  ])("computes %s with %i dB at W8A8 (skipped where ../shared/cases is missing)", async (name, decibels) => {
    const graph = importOnnx(readFileSync(new URL(`${name}.onnx`, CASES)));
    const { name: input, shape } = graph.inputs[0]!;
    const sizes = [8, ...shape.slice(1)] as [number, number, number, number];
    const data = drawn(
      sizes.reduce((product, size) => product * size, 1),
      11,
    );
    const images = { shape: sizes, data };
    const { model } = await reconstruct(graph, images, { weightBits: 8, activationBits: 8, iterations: 5 });
    const wanted = (await runExported(exportOnnx(graph), graph, { [input]: data }))[graph.outputs[0]!]!;
    const power = wanted.reduce((sum, value) => sum + value * value, 0);
    for (const optimize of OPTIMIZATIONS) {
      const outputs = await runExported(exportOnnx(model), graph, { [input]: data }, optimize);
      const noise = outputs[graph.outputs[0]!]!.reduce((sum, value, i) => sum + (value - wanted[i]!) ** 2, 0);
      expect(10 * Math.log10(power / noise)).toBeGreaterThan(decibels);
    }
  });

  it.skipIf(!existsSync(CASES))(
    "takes a ReLU6 in front of a quantizer that it refused (skipped where ../shared/cases is missing)",
    async () => {
      const bytes = readFileSync(new URL("ort-duplicate-names-9-nodes.onnx", CASES));
      const graph = importOnnx(bytes, { inputShape: [1, 8, 12, 12] });
      const written = exportOnnx(graph);
      const [{ name, shape }] = graph.inputs as [{ name: string; shape: number[] }];
      const [, height, width, channels] = shape as [number, number, number, number];
      const data = drawn(height * width * channels, 5);
      const input = { [name]: { shape: [1, channels, height, width], data } };
      const wanted = Object.values(await runOnnx(bytes, input, { optimize: "disabled" }))[0]!.data;
      for (const optimize of OPTIMIZATIONS) {
        const { data } = Object.values(await runOnnx(written, input, { optimize }))[0]!;
        const noise = data.reduce((sum, value, i) => sum + (value - wanted[i]!) ** 2, 0);
        expect(noise).toBeLessThan(1e-3 * wanted.reduce((sum, value) => sum + value * value, 0));
      }
    },
  );
});
