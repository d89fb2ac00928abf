/** A Keras model that uses a layer twice, from file to quantized file. */
import { input, layers, model } from "@tensorflow/tfjs-layers";
import { expect, it } from "vitest";
import { exportOnnx, loadModel, quantize } from "../../../src/index.ts";
import { toFakeQuantized } from "../../../src/ir/quantized.ts";
import { expectSame, fillWeights, load, outputsOf, save } from "../tfjs/tfjsModels.ts";

it("a layer that is used twice is quantized once, and its file computes the same", async () => {
  const x = input({ shape: [8, 8, 3] });
  const start = layers
    .batchNormalization()
    .apply(layers.conv2d({ filters: 4, kernelSize: 3, padding: "same" }).apply(x));
  const conv = layers.conv2d({ filters: 4, kernelSize: 3, padding: "same", activation: "relu" });
  const twice = conv.apply(conv.apply(start));
  const scores = layers.dense({ units: 3 }).apply(layers.globalAveragePooling2d({}).apply(twice));
  const graph = await load(await save(fillWeights(model({ inputs: x, outputs: scores as never }))));
  const { model: quantized } = await quantize(graph, {
    workers: 0,
    synthesis: { images: 4, batchSize: 4, iterations: 2 },
    reconstruction: { iterations: 2 },
  });
  expect(quantized.weights.size).toBe(3);
  // Back from the file both uses read the same low-bit weights, and the outputs are the model's.
  const again = await loadModel(exportOnnx(quantized));
  expectSame(outputsOf(again), outputsOf(toFakeQuantized(quantized)), 1e-4);
});
