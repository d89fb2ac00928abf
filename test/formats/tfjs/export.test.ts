/** Models that we write, loaded and run by tfjs-layers. */
import type { io } from "@tensorflow/tfjs-core";
import { input, layers, loadLayersModel, model } from "@tensorflow/tfjs-layers";
import { describe, expect, it } from "vitest";
import { exportLayers } from "../../../src/formats/tfjs/export.ts";
import type { Activation, Graph, QuantizedGraph } from "../../../src/ir/graph.ts";
import { dequantize } from "../../../src/ir/quantized.ts";
import { GraphBuilder } from "../../ir/builders.ts";
import { numbers } from "../onnx/models.ts";
import { expectSame, fillWeights, load, outputsOf, predict, save } from "./tfjsModels.ts";

async function expectExported(model: Graph | QuantizedGraph, graph: Graph): Promise<void> {
  const written = await expectSameInTfjs(model, graph);
  expectSame(outputsOf(await load(written)), outputsOf(graph));
}

/** Holds what tfjs-layers computes from the written files against `graph`. */
async function expectSameInTfjs(model: Graph | QuantizedGraph, graph: Graph) {
  const files = exportLayers(model);
  const json = JSON.parse(new TextDecoder().decode(files.model));
  const artifacts: io.ModelArtifacts = {
    modelTopology: json.modelTopology,
    weightSpecs: json.weightsManifest[0].weights,
    weightData: new Uint8Array(files.weights).buffer,
  };
  const loaded = await loadLayersModel({ load: async () => artifacts });
  expectSame(outputsOf(graph), predict(loaded));
  return { json, shards: { "weights.bin": files.weights } };
}

describe("exportLayers", () => {
  it("a network of every layer that goes both ways, BatchNorm folded", async () => {
    const x = input({ shape: [9, 8, 3] });
    const a = layers
      .conv2d({ filters: 4, kernelSize: 3, strides: 2, padding: "same", useBias: false })
      .apply(x);
    const b = layers.reLU({ maxValue: 6 }).apply(layers.batchNormalization().apply(a));
    const c = layers.depthwiseConv2d({ kernelSize: 3, padding: "same", activation: "relu" }).apply(b);
    const d = layers.leakyReLU({ alpha: 0.1 }).apply(layers.add().apply([b, c] as never));
    const e = layers
      .zeroPadding2d({
        padding: [
          [0, 1],
          [1, 0],
        ] as never,
      })
      .apply(d);
    const f = layers.maxPooling2d({ poolSize: 3, strides: 2, padding: "same" }).apply(e);
    const g = layers.averagePooling2d({ poolSize: 2, strides: 1, padding: "same" }).apply(f);
    const h = layers.concatenate().apply([g, layers.batchNormalization().apply(f)] as never);
    const i = layers.upSampling2d({ size: [2, 1] }).apply(layers.activation({ activation: "tanh" }).apply(h));
    const j = layers.globalAveragePooling2d({}).apply(i);
    const k = layers.dense({ units: 5, activation: "softmax" }).apply(layers.flatten().apply(i));
    const graph = await load(await save(fillWeights(model({ inputs: x, outputs: [k, j] as never }))));
    await expectExported(graph, graph);
    const { model_config: written } = JSON.parse(
      new TextDecoder().decode(exportLayers(graph).model),
    ).modelTopology;
    const classes = written.config.layers.map(({ class_name }: { class_name: string }) => class_name);
    // The one behind a pooling cannot be folded.
    expect(classes.filter((name: string) => name === "BatchNormalization")).toHaveLength(1);
  });

  it("transposed convolutions, whole and cropped", async () => {
    const builder = new GraphBuilder([-1, 4, 5, 3]);
    const whole = builder.convTranspose("whole", "input", 4, { kernel: 2, stride: 1, bias: true });
    const cropped = builder.convTranspose("cropped", whole, 2, { kernel: 5, bias: true });
    builder.graph.outputs = [cropped];
    await expectSameInTfjs(builder.graph, builder.graph);
    const grouped = new GraphBuilder([-1, 4, 5, 4]);
    grouped.graph.outputs = [grouped.convTranspose("grouped", "input", 4, { groups: 2 })];
    expect(() => exportLayers(grouped.graph)).toThrow(/node "grouped" has 2 groups/);
  });

  it.each<Activation>([
    { kind: "elu", alpha: 1 },
    { kind: "selu", alpha: 1.6732632423543772, gamma: 1.0507009873554805 },
    { kind: "gelu", approximate: "none" },
    { kind: "silu" },
    { kind: "mish" },
    { kind: "softplus" },
    { kind: "softsign" },
    { kind: "thresholdedRelu", alpha: 0.2 },
  ])("activation %o", async (activation) => {
    const builder = new GraphBuilder([-1, 4, 5, 3]);
    builder.graph.outputs = [builder.conv("conv", "input", 4, { activation })];
    await expectSameInTfjs(builder.graph, builder.graph);
  });

  it("differences and extremes of values; other functions of two values are refused by name", async () => {
    const builder = new GraphBuilder([-1, 4, 5, 3]);
    const conv = builder.conv("conv", "input", 3);
    const less = builder.node("less", [conv, "input"], 3, { op: "subtract" });
    const from = builder.node("from", [builder.constant("c", [3]), less], 3, { op: "subtract" });
    const least = builder.node("least", [from, conv], 3, { op: "minimum" });
    builder.graph.outputs = [builder.node("most", [least, "input"], 3, { op: "maximum" })];
    await expectSameInTfjs(builder.graph, builder.graph);
    const divided = new GraphBuilder([-1, 4, 5, 3]);
    const other = divided.conv("conv", "input", 3);
    divided.graph.outputs = [divided.node("quotient", [other, "input"], 3, { op: "divide" })];
    expect(() => exportLayers(divided.graph)).toThrow(/node "quotient" \(divide\) has no layer of Keras/);
  });

  it("PyTorch's padding, names with slashes", async () => {
    const builder = new GraphBuilder([-1, 8, 8, 3]);
    builder.graph.outputs = [builder.conv("/stage/conv:1", "input", 4, { stride: 2, bias: true })];
    await expectExported(builder.graph, builder.graph);
  });

  it("a shortcut of every second pixel with zero channels around, and a slice of channels", async () => {
    const builder = new GraphBuilder([-1, 7, 8, 3]);
    const half = builder.slice("half", "input", [0, 0, 0, 0], [-1, 7, 8, 3], [1, 2, 3, 1]);
    const wide = builder.pad("wide", half, [0, 1, 0, 2], [0, 0, 1, 3]);
    builder.graph.outputs = [wide, builder.slice("some", wide, [0, 0, 0, 1], [-1, 5, 4, 8], [1, 1, 1, 3])];
    await expectExported(builder.graph, builder.graph);
    const cut = new GraphBuilder([-1, 7, 8, 3]);
    cut.graph.outputs = [cut.slice("cut", "input", [0, 1, 0, 0], [-1, 7, 8, 3], [1, 1, 1, 1])];
    expect(() => exportLayers(cut.graph)).toThrow(/node "cut" slices otherwise/);
  });

  it("a quantized network has the weights that its integers stand for", async () => {
    const builder = new GraphBuilder([-1, 5, 5, 2]);
    builder.graph.outputs = [builder.conv("conv", "input", 3)];
    const [, filter] = builder.graph.nodes[0]!.inputs;
    const { shape } = builder.graph.constants.get(filter!)!;
    const count = shape.reduce((product, size) => product * size, 1);
    const quantized = {
      shape,
      data: Int16Array.from(numbers(count), (value) => Math.round(value * 7)),
      params: {
        bits: 4,
        signed: true,
        perChannel: true,
        scale: Float32Array.of(0.1, 0.2, 0.3),
        zeroPoint: new Int32Array(3),
      },
    };
    const constants = new Map(builder.graph.constants).set(filter!, { shape, data: dequantize(quantized) });
    const weights = new Map([[filter!, quantized]]);
    await expectExported(
      { graph: builder.graph, weights, activations: new Map() },
      { ...builder.graph, constants },
    );
  });

  it("the same bytes for the same model; what Keras cannot say is refused by name", () => {
    const builder = new GraphBuilder([-1, 8, 8, 4]);
    builder.graph.outputs = [builder.conv("conv", "input", 4, { groups: 2 })];
    expect(() => exportLayers(builder.graph)).toThrow(/node "conv" has 2 groups/);
    const plain = new GraphBuilder([-1, 8, 8, 4]);
    plain.graph.outputs = [plain.conv("conv", "input", 4)];
    expect(exportLayers(plain.graph)).toEqual(exportLayers(plain.graph));
  });
});
