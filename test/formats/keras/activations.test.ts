/** Activation functions by name and as layers: as tfjs-layers computes them, or as Keras states them. */
import { layers } from "@tensorflow/tfjs-layers";
import { describe, expect, it } from "vitest";
import { numbers } from "../onnx/models.ts";
import { chain, expectLikeTfjs, expectSame, outputsOf } from "../tfjs/tfjsModels.ts";
import { oneLayer } from "./oneLayer.ts";

const x = [...numbers(60, 3)];

describe("activations that tfjs-layers has", () => {
  it.each([
    ...["linear", "relu", "relu6", "sigmoid", "tanh", "hardSigmoid", "softmax", "swish"],
    ...["elu", "selu", "gelu", "softplus", "softsign", "mish", "logSoftmax"],
  ] as never[])("%s, in a layer and alone", async (activation) => {
    await expectLikeTfjs(
      chain(
        [3, 3, 2],
        layers.conv2d({ filters: 5, kernelSize: 1, activation }),
        layers.activation({ activation }),
      ),
    );
  });

  it("the layers ELU and ThresholdedReLU, and PReLU with a slope of its own and one that axes share", async () => {
    await expectLikeTfjs(
      chain(
        [3, 4, 2],
        layers.prelu({}),
        layers.thresholdedReLU({ theta: -0.2 }),
        layers.batchNormalization(),
        layers.prelu({ sharedAxes: [1, 2] }),
        layers.elu(),
      ),
    );
  });
});

describe("activations that tfjs-layers lacks", () => {
  it.each<[string, (x: number) => number]>([
    ["exponential", Math.exp],
    ["silu", (x) => x / (1 + Math.exp(-x))],
    ["hard_silu", (x) => x * Math.min(Math.max(x / 6 + 0.5, 0), 1)],
    ["hard_swish", (x) => x * Math.min(Math.max(x / 6 + 0.5, 0), 1)],
    ["hard_tanh", (x) => Math.min(Math.max(x, -1), 1)],
    ["leaky_relu", (x) => (x >= 0 ? x : 0.2 * x)],
  ])("%s", async (activation, compute) => {
    expectSame(outputsOf(await oneLayer("Activation", { activation })), [x.map(compute)], 1e-6);
  });

  it("ELU with another alpha than tfjs-layers takes", async () => {
    const graph = await oneLayer("ELU", { alpha: 0.5 });
    expectSame(outputsOf(graph), [x.map((v) => (v >= 0 ? v : 0.5 * Math.expm1(v)))], 1e-6);
  });

  it.each([
    { negative_slope: 0, max_value: null, threshold: 0.3 },
    { negative_slope: 0, max_value: 0.5, threshold: 0.3 },
    { negative_slope: 0.25, max_value: null, threshold: 0.3 },
    { negative_slope: 0.25, max_value: 0.5, threshold: 0 },
    { negative_slope: 0.25, max_value: 0.5, threshold: 0.3 },
    { negative_slope: 0.25, max_value: null, threshold: -0.3 },
  ])("ReLU with %o", async (config) => {
    const { negative_slope: slope, max_value: max, threshold } = config;
    // Keras's documentation: max_value if x ≥ max_value, x if threshold ≤ x < max_value, else slope · (x − threshold).
    const expected = x.map((v) => {
      if (max !== null && v >= max) return max;
      return v >= threshold ? v : slope * (v - threshold);
    });
    expect(new Set(expected).size).toBeGreaterThan(1);
    expectSame(outputsOf(await oneLayer("ReLU", config)), [expected], 1e-6);
  });
});
