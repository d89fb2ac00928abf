/** Layers that enlarge, normalize and combine images: as tfjs-layers computes them, or as Keras states them. */
import { input, layers, model, type SymbolicTensor } from "@tensorflow/tfjs-layers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { numbers } from "../onnx/models.ts";
import { chain, expectLikeTfjs, expectSame, outputsOf } from "../tfjs/tfjsModels.ts";
import { oneLayer } from "./oneLayer.ts";

describe("Conv2DTranspose", () => {
  const size = fc.integer({ min: 1, max: 6 });
  const small = fc.integer({ min: 1, max: 4 });
  it("of any size, kernel, stride and padding is that of tfjs-layers", async () => {
    await fc.assert(
      fc.asyncProperty(size, size, small, small, small, fc.boolean(), async (h, w, k, l, s, isSame) => {
        const config = { filters: 3, kernelSize: [k, l] as [number, number], strides: s };
        await expectLikeTfjs(
          chain(
            [h, w, 2],
            layers.conv2dTranspose({ ...config, padding: isSame ? "same" : "valid", activation: "tanh" }),
          ),
        );
      }),
      { numRuns: 60, seed: 1 },
    );
  });

  it.each([
    ["valid", 1, 10],
    ["same", 0, 7],
    ["same", 1, 8],
  ])(
    "of padding %s with an output_padding of %i gives %i rows of 4, as TensorFlow's",
    async (padding, extra, rows) => {
      const kernel = numbers(9, 5);
      const graph = await oneLayer(
        "Conv2DTranspose",
        {
          ...{ filters: 1, kernel_size: [3, 3], strides: [2, 2], padding, output_padding: [extra, extra] },
          use_bias: false,
        },
        { shape: [4, 4, 1], weights: { kernel: { shape: [3, 3, 1, 1], data: kernel } } },
      );
      // The convolution back to 4 rows pads (4 − 1)·2 + 3 − rows of them, fewer of these above.
      const above = Math.floor(Math.max(0, 9 - rows) / 2);
      const x = numbers(16, 3);
      const expected = new Float64Array(rows * rows);
      for (let row = 0; row < 4; row++) {
        for (let column = 0; column < 4; column++) {
          for (let tap = 0; tap < 9; tap++) {
            const [y, z] = [2 * row + Math.floor(tap / 3) - above, 2 * column + (tap % 3) - above];
            if (Math.min(y, z) < 0 || Math.max(y, z) >= rows) continue;
            expected[y * rows + z]! += x[row * 4 + column]! * kernel[tap]!;
          }
        }
      }
      expectSame(outputsOf(graph), [expected], 1e-6);
    },
  );
});

describe("images of other sizes", () => {
  const x = numbers(60, 3);
  const pixel = (row: number, column: number, channel: number) => x[(row * 4 + column) * 3 + channel]!;
  /** The two pixels that TensorFlow's half-pixel centers mix, and the second one's share. */
  const around = (i: number, scale: number, length: number): [number, number, number] => {
    const position = Math.max(0, (i + 0.5) / scale - 0.5);
    const first = Math.min(length - 1, Math.floor(position));
    return [first, Math.min(length - 1, first + 1), position - Math.floor(position)];
  };
  const bilinear = (height: number, width: number) =>
    Float64Array.from({ length: height * width * 3 }, (_, i) => {
      const [top, bottom, down] = around(Math.floor(i / 3 / width), height / 5, 5);
      const [left, right, across] = around(Math.floor(i / 3) % width, width / 4, 4);
      const mixed = (row: number) =>
        pixel(row, left, i % 3) * (1 - across) + pixel(row, right, i % 3) * across;
      return mixed(top) * (1 - down) + mixed(bottom) * down;
    });

  it.each(["2.15.0", "3.3.3"])(
    "UpSampling2D and Resizing mix by half-pixel centers in Keras %s",
    async (version) => {
      const options = { kerasVersion: version };
      const doubled = await oneLayer("UpSampling2D", { size: [2, 3], interpolation: "bilinear" }, options);
      expectSame(outputsOf(doubled), [bilinear(10, 12)], 1e-6);
      const resized = await oneLayer(
        "Resizing",
        { height: 3, width: 7, interpolation: "bilinear", fill_mode: "constant", fill_value: 0 },
        options,
      );
      expectSame(outputsOf(resized), [bilinear(3, 7)], 1e-6);
    },
  );

  it("Resizing to the nearest takes the pixel in whose square the center lies", async () => {
    const graph = await oneLayer("Resizing", { height: 3, width: 7, interpolation: "nearest" });
    const expected = Float64Array.from({ length: 63 }, (_, i) => {
      const [row, column] = [Math.floor(i / 21), Math.floor(i / 3) % 7];
      return pixel(Math.floor(((row + 0.5) * 5) / 3), Math.floor(((column + 0.5) * 4) / 7), i % 3);
    });
    expectSame(outputsOf(graph), [expected], 0);
  });

  it("UpSampling2D of a model made in tfjs-layers is as tfjs-layers has it", async () => {
    await expectLikeTfjs(chain([5, 4, 3], layers.upSampling2d({ size: [2, 3], interpolation: "bilinear" })));
  });

  it("CenterCrop takes the odd column off at the right", async () => {
    const graph = await oneLayer("CenterCrop", { height: 2, width: 3 });
    const expected = Float64Array.from({ length: 18 }, (_, i) =>
      pixel(1 + Math.floor(i / 9), Math.floor(i / 3) % 3, i % 3),
    );
    expectSame(outputsOf(graph), [expected], 0);
  });

  it.each([
    ["UpSampling2D", { interpolation: "bicubic" }, /"bicubic" is not supported/],
    ["Resizing", { height: 2, width: 2, crop_to_aspect_ratio: true }, /crop_to_aspect_ratio = true/],
    ["CenterCrop", { height: 9, width: 2 }, /only cropping/],
    ["Conv2DTranspose", { filters: 1, dilation_rate: [2, 2] }, /transposed and dilated/],
    ["Conv1D", { filters: 1, kernel_size: [1] }, /no sequence/],
  ])("%s with %o is refused", async (className, config, message) => {
    await expect(oneLayer(className, config)).rejects.toThrow(message);
  });
});

describe("normalizations", () => {
  it("LayerNormalization over one axis and over several is that of tfjs-layers", async () => {
    await expectLikeTfjs(
      chain(
        [4, 3, 5],
        layers.layerNormalization({}),
        layers.layerNormalization({ axis: [1, 3], scale: false }),
        layers.layerNormalization({ axis: [2, 3], center: false, epsilon: 0.1 }),
      ),
    );
  });

  it("GroupNormalization and UnitNormalization", async () => {
    const x = numbers(5 * 4 * 6, 3);
    const [gamma, beta] = [numbers(6, 4), numbers(6, 5)];
    const shape = [5, 4, 6];
    const graph = await oneLayer(
      "GroupNormalization",
      { groups: 2, epsilon: 0.01 },
      { shape, weights: { gamma: { shape: [6], data: gamma }, beta: { shape: [6], data: beta } } },
    );
    const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const groups = [0, 1].map((group) => {
      const values = [...x].filter((_, i) => Math.floor((i % 6) / 3) === group);
      const middle = mean(values);
      return { middle, deviation: Math.sqrt(mean(values.map((value) => (value - middle) ** 2)) + 0.01) };
    });
    const expected = [...x].map((value, i) => {
      const { middle, deviation } = groups[Math.floor((i % 6) / 3)]!;
      return ((value - middle) / deviation) * gamma[i % 6]! + beta[i % 6]!;
    });
    expectSame(outputsOf(graph), [expected], 1e-6);
    const lengths = Array.from({ length: 20 }, (_, pixel) =>
      Math.hypot(...x.subarray(pixel * 6, pixel * 6 + 6)),
    );
    const unit = await oneLayer("UnitNormalization", {}, { shape });
    expectSame(outputsOf(unit), [[...x].map((value, i) => value / lengths[Math.floor(i / 6)]!)], 1e-6);
  });
});

describe("functions of several values", () => {
  it("Minimum and Maximum of three", async () => {
    const x = input({ shape: [3, 4, 2] });
    const values = [1, 2, 3].map(
      () => layers.conv2d({ filters: 2, kernelSize: 1 }).apply(x) as SymbolicTensor,
    );
    const outputs = [layers.minimum(), layers.maximum()].map(
      (layer) => layer.apply(values) as SymbolicTensor,
    );
    await expectLikeTfjs(model({ inputs: x, outputs }));
  });
});
