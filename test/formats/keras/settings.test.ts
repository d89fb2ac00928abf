/** No setting of a Keras layer is read past: it is heeded, known to be harmless, or refused by name. */
import { describe, expect, it } from "vitest";
import { numbers } from "../onnx/models.ts";
import { expectSame, outputsOf } from "../tfjs/tfjsModels.ts";
import { oneLayer } from "./oneLayer.ts";

describe("settings of Keras layers", () => {
  it.each([
    ["ReLU", { brand_new: 3 }, /layer "only" \(ReLU\): its setting brand_new = 3 is not supported/],
    ["Add", { axis: 1 }, /layer "only" \(Add\)/],
    ["Rescaling", { scale: 2, clip_to: [0, 1] }, /its setting clip_to = \[0,1\]/],
    ["Normalization", { axis: 1, mean: 0, variance: 1 }, /statistics along axes \[1\]/],
    [
      "ReLU",
      { dtype: { class_name: "QuantizedDTypePolicy", config: { mode: "int8" } } },
      /is quantized already/,
    ],
  ])("%s with %o is refused", async (className, config, message) => {
    await expect(oneLayer(className, config)).rejects.toThrow(message);
  });

  it.each([
    ["Dropout", { rate: 0.5, seed: 3, noise_shape: [1] }],
    ["RandomRotation", { factor: 0.1, fill_mode: "reflect" }],
    ["Rescaling", { scale: 1, dtype: { class_name: "DTypePolicy", config: { name: "mixed_float16" } } }],
    ["Rescaling", { scale: 1, trainable: true, kernel_regularizer: { class_name: "L2" }, switched: false }],
  ])("%s with %o computes what it is at inference", async (className, config) => {
    const graph = await oneLayer(className, config);
    expectSame(outputsOf(graph), [numbers(60, 3)], 0);
  });
});
