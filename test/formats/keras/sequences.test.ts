/** Layers of sequences [N, L, C], which become those of images of height 1. */
import { input, layers, model, type SymbolicTensor } from "@tensorflow/tfjs-layers";
import { describe, expect, it } from "vitest";
import { exportOnnx } from "../../../src/formats/onnx/export.ts";
import { expectComputes } from "../onnx/exported.ts";
import { numbers } from "../onnx/models.ts";
import { chain, expectLikeTfjs, expectSame, outputsOf } from "../tfjs/tfjsModels.ts";
import { oneLayer } from "./oneLayer.ts";

describe("sequences that tfjs-layers computes", () => {
  it("convolutions, BatchNorm, activations, pools, dense layers; BatchNorm follows its convolution", async () => {
    const graph = await expectLikeTfjs(
      chain(
        [23, 3],
        layers.conv1d({ filters: 6, kernelSize: 3, strides: 2, padding: "same", useBias: false }),
        layers.batchNormalization(),
        layers.reLU(),
        layers.maxPooling1d({ poolSize: 3, strides: 2, padding: "same" }),
        layers.conv1d({ filters: 5, kernelSize: 2, dilationRate: 2, activation: "sigmoid" }),
        layers.averagePooling1d({ poolSize: 2 }),
        layers.dropout({ rate: 0.5 }),
        layers.dense({ units: 4, activation: "tanh" }),
      ),
    );
    expect(graph.nodes.map(({ op }) => op)).toEqual([
      ...["reshape", "conv2d", "batchNorm", "maxPool", "conv2d", "averagePool", "reshape", "dense"],
    ]);
    await expectComputes(exportOnnx(graph), graph);
  });

  it("a residual, in rows of pixels too, and both global pools", async () => {
    const x = input({ shape: [11, 4] });
    const config = { filters: 4, kernelSize: 3, padding: "same" as const };
    const y = layers.conv1d(config).apply(x) as SymbolicTensor;
    const z = layers.conv1d(config).apply(y) as SymbolicTensor;
    const sum = layers.add().apply([y, z]) as SymbolicTensor;
    const outputs = [layers.globalAveragePooling1d(), layers.globalMaxPooling1d({})].map(
      (pool) => pool.apply(sum) as SymbolicTensor,
    );
    const graph = await expectLikeTfjs(model({ inputs: x, outputs }));
    expect(graph.nodes.map(({ op }) => op).slice(0, 4)).toEqual(["reshape", "conv2d", "conv2d", "add"]);
  });

  it("a vector repeated", async () => {
    await expectLikeTfjs(chain([5], layers.dense({ units: 3 }), layers.repeatVector({ n: 4 })));
  });
});

describe("sequences that tfjs-layers does not compute", () => {
  const [length, channels] = [6, 2];
  const x = [...numbers(length * channels, 3)];
  const at = (l: number, c: number) => (l >= 0 && l < length ? x[l * channels + c]! : 0);
  const shape = [length, channels];
  const table = (rows: number, columns: number, value: (row: number, column: number) => number) =>
    Array.from({ length: rows * columns }, (_, i) => value(Math.floor(i / columns), i % columns));

  it("ZeroPadding1D, Cropping1D and UpSampling1D", async () => {
    expectSame(
      outputsOf(await oneLayer("ZeroPadding1D", { padding: [1, 2] }, { shape })),
      [table(9, 2, (l, c) => at(l - 1, c))],
      0,
    );
    expectSame(
      outputsOf(await oneLayer("Cropping1D", { cropping: [1, 2] }, { shape })),
      [table(3, 2, (l, c) => at(l + 1, c))],
      0,
    );
    expectSame(
      outputsOf(await oneLayer("UpSampling1D", { size: 3 }, { shape })),
      [table(18, 2, (l, c) => at(Math.floor(l / 3), c))],
      0,
    );
  });

  it("Conv1D of padding causal reads nothing behind its place", async () => {
    const kernel = numbers(2 * channels, 7);
    const graph = await oneLayer(
      "Conv1D",
      { filters: 1, kernel_size: [2], dilation_rate: [3], padding: "causal", use_bias: false },
      { shape, weights: { kernel: { shape: [2, channels, 1], data: kernel } } },
    );
    const tap = (l: number, k: number) =>
      at(l, 0) * kernel[k * channels]! + at(l, 1) * kernel[k * channels + 1]!;
    expectSame(outputsOf(graph), [table(length, 1, (l) => tap(l - 3, 0) + tap(l, 1))], 1e-6);
  });

  it("SeparableConv1D, of stride 2 and padding same", async () => {
    const depthwise = numbers(3 * channels, 7);
    const pointwise = numbers(channels * 4, 8);
    const graph = await oneLayer(
      "SeparableConv1D",
      { filters: 4, kernel_size: [3], strides: [2], padding: "same", use_bias: false },
      {
        shape,
        weights: {
          depthwise_kernel: { shape: [3, channels, 1], data: depthwise },
          pointwise_kernel: { shape: [1, channels, 4], data: pointwise },
        },
      },
    );
    // Two rows of three are one too many for an even length: the odd one is behind.
    const filtered = (l: number, c: number) =>
      [0, 1, 2].reduce((sum, k) => sum + at(2 * l + k, c) * depthwise[k * channels + c]!, 0);
    const expected = table(
      3,
      4,
      (l, o) => filtered(l, 0) * pointwise[o]! + filtered(l, 1) * pointwise[4 + o]!,
    );
    expectSame(outputsOf(graph), [expected], 1e-6);
  });

  it("Conv1DTranspose", async () => {
    const kernel = numbers(3 * 1 * channels, 9);
    const graph = await oneLayer(
      "Conv1DTranspose",
      { filters: 1, kernel_size: [3], strides: [2], padding: "valid", use_bias: false },
      { shape, weights: { kernel: { shape: [3, 1, channels], data: kernel } } },
    );
    const expected = Array<number>(2 * length + 1).fill(0);
    for (let l = 0; l < length; l++) {
      for (let k = 0; k < 3; k++) {
        for (let c = 0; c < channels; c++) expected[2 * l + k]! += at(l, c) * kernel[k * channels + c]!;
      }
    }
    expectSame(outputsOf(graph), [expected], 1e-6);
  });
});
