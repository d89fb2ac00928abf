import { memory, tidy } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, test } from "vitest";
import { download } from "../../src/engine/feeds.ts";
import { initializeKernels } from "../../src/kernels/heap.ts";
import { randomNormal } from "../../src/kernels/random.ts";
import { createGenerator, generatorWidths } from "../../src/synthesis/generator.ts";

const stream = (index: number): number => index;

describe("generator", () => {
  beforeAll(() => initializeKernels());

  test.each([
    [32, 32, 3],
    [28, 28, 1],
    [49, 10, 1],
    [10, 13, 3],
    [4, 4, 2],
  ])("%i×%i×%i images", (height, width, channels) => {
    const widths = generatorWidths(height, width, 16);
    const before = memory().numTensors;
    const generator = createGenerator(
      { latents: 16, height, width, channels, units: channels, widths },
      1,
      stream,
    );
    const shape: number[] = [];
    tidy(() => {
      shape.push(...generator.images(randomNormal([2, 16], 1, 99)).shape);
    });
    expect(shape).toEqual([2, height, width, channels]);
    generator.dispose();
    expect(memory().numTensors).toBe(before);
  });

  test("gives every size from 10 to 224, square and not", () => {
    for (let height = 10; height <= 224; height++) {
      const width = height % 3 ? height : 10 + ((7 * height) % 97);
      const widths = [4, 4, 2, 2].slice(0, 2 + (height % 3));
      const shape = { latents: 2, height, width, channels: 1, units: 1, widths };
      const generator = createGenerator(shape, 1, stream);
      const data = download(() => generator.images(randomNormal([2, 2], 1, 99)));
      expect(data.length).toBe(2 * height * width);
      expect(data.every(Number.isFinite)).toBe(true);
      generator.dispose();
    }
  });

  test("normalizes every column where columns are units", () => {
    const shape = { latents: 16, height: 12, width: 4, channels: 2, units: 8, widths: [16, 8] };
    const generator = createGenerator(shape, 1, stream);
    const data = download(() => generator.images(randomNormal([8, 16], 1, 99)));
    generator.dispose();
    for (let unit = 0; unit < 8; unit++) {
      const values = data.filter((_, i) => i % 8 === unit);
      const mean = values.reduce((a, b) => a + b, 0) / values.length;
      const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length;
      expect(mean).toBeCloseTo(0, 5);
      expect(variance).toBeCloseTo(1, 2);
    }
  });

  test("is the published one at 32×32: linear 256 → 128·8·8, 128 → 64 → 3", () => {
    const shape = {
      latents: 256,
      height: 32,
      width: 32,
      channels: 3,
      units: 3,
      widths: generatorWidths(32, 32, 256),
    };
    const generator = createGenerator(shape, 1, stream);
    const linear = 256 * 8192 + 8192;
    const first = 2 * 128 + 9 * 128 * 64 + 2 * 64;
    const second = 9 * 64 * 3 + 3;
    expect(generator.parameters.reduce((sum, { size }) => sum + size, 0)).toBe(linear + first + second);
    generator.dispose();
  });

  test("grows compact where the linear layer would be large", () => {
    expect(generatorWidths(64, 64, 256)).toEqual([128, 64]);
    const widths = generatorWidths(224, 224, 256);
    expect(widths.length).toBeGreaterThan(2);
    expect(256 * 128 * Math.ceil(224 / 2 ** widths.length) ** 2).toBeLessThan(16e6);
  });

  test("gives images of mean 0 and variance 1 per channel: its last BatchNorm is without affine", () => {
    const shape = { latents: 16, height: 12, width: 8, channels: 3, units: 3, widths: [16, 8] };
    const generator = createGenerator(shape, 1, stream);
    const data = download(() => generator.images(randomNormal([8, 16], 1, 99)));
    generator.dispose();
    for (let channel = 0; channel < 3; channel++) {
      const values = data.filter((_, i) => i % 3 === channel);
      const mean = values.reduce((a, b) => a + b, 0) / values.length;
      const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length;
      expect(mean).toBeCloseTo(0, 5);
      expect(variance).toBeCloseTo(1, 2);
    }
  });
});
