import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { type Binary, initializeKernels } from "../../../src/kernels/heap.ts";
import type { InputLayout } from "../../../src/synthesis/inputLayout.ts";
import { pixelRange } from "../../../src/synthesis/prior/pixels.ts";
import { drawPrior, isPicture } from "../../../src/synthesis/prior/prior.ts";

/** Hashes of what the seed 7 draws. */
const PICTURES = 213845282;
const FIELDS = 2610608760;

const layout = (height: number, width: number, channels: number): InputLayout => ({
  shape: [height, width, channels],
  height,
  width,
  channels,
});

/** FNV-1a of the bits. */
function hash(values: Float32Array): number {
  return new Uint8Array(values.buffer).reduce((h, byte) => Math.imul(h ^ byte, 0x01000193), 0x811c9dc5) >>> 0;
}

function moments(values: ArrayLike<number>): { mean: number; std: number; kurtosis: number } {
  const list = Array.from(values);
  const average = (of: (x: number) => number): number =>
    list.reduce((sum, x) => sum + of(x), 0) / list.length;
  const mean = average((x) => x);
  const variance = average((x) => (x - mean) ** 2);
  return { mean, std: Math.sqrt(variance), kurtosis: average((x) => (x - mean) ** 4) / variance ** 2 };
}

/** Power at frequency k of rows of `size` pixels, averaged over all rows of the first channel. */
function rowPower(data: Float32Array, size: number, channels: number, k: number): number {
  const rows = data.length / channels / size;
  let power = 0;
  for (let row = 0; row < rows; row++) {
    let [re, im] = [0, 0];
    for (let x = 0; x < size; x++) {
      const value = data[(row * size + x) * channels]!;
      re += value * Math.cos((2 * Math.PI * k * x) / size);
      im += value * Math.sin((2 * Math.PI * k * x) / size);
    }
    power += re * re + im * im;
  }
  return power / rows;
}

describe.each<Binary>(["baseline", "relaxed"])("the prior, %s", (binary) => {
  beforeAll(() => initializeKernels({ binary }));

  test("draws the same bits from the same seed, with any binary and in any runtime", () => {
    expect(hash(drawPrior(layout(16, 12, 3), 3, 7))).toBe(PICTURES);
    expect(hash(drawPrior(layout(9, 7, 1), 3, 7))).toBe(FIELDS);
    expect(hash(drawPrior(layout(16, 12, 3), 3, 8))).not.toBe(PICTURES);
  });
});

describe("pictures of the prior", () => {
  const SIZE = 64;
  let pictures: Float32Array;

  beforeAll(async () => {
    await initializeKernels();
    pictures = drawPrior(layout(SIZE, SIZE, 3), 48, 1);
  });

  test("have a power spectrum that falls as that of natural ones, by about 1/f² along a line", () => {
    const [low, high] = [rowPower(pictures, SIZE, 3, 2), rowPower(pictures, SIZE, 3, 16)];
    const slope = Math.log2(low / high) / Math.log2(16 / 2);
    expect(slope).toBeGreaterThan(1.4);
    expect(slope).toBeLessThan(2.4);
  });

  test("have gradients with heavy tails: mostly flat, and edges", () => {
    const grey = pictures.filter((_, i) => i % 3 === 0);
    const gradients = grey.slice(1).map((value, i) => value - grey[i]!);
    expect(moments(gradients).kurtosis).toBeGreaterThan(6);
  });

  test("have about mean 0 and deviation 1, and channels that go together as colours do", () => {
    const channels = [0, 1, 2].map((c) => pictures.filter((_, i) => i % 3 === c));
    for (const channel of channels) {
      const { mean, std } = moments(channel);
      expect(Math.abs(mean)).toBeLessThan(0.2);
      expect(Math.abs(std - 1)).toBeLessThan(0.2);
    }
    const [red, green] = channels.map((channel) => {
      const { mean, std } = moments(channel);
      return channel.map((value) => (value - mean) / std);
    });
    const correlation = moments(red!.map((value, i) => value * green![i]!)).mean;
    expect(correlation).toBeGreaterThan(0.75);
    expect(correlation).toBeLessThan(0.98);
  });

  test("go from black to white and no further", () => {
    const { low, high } = pixelRange(3);
    for (let c = 0; c < 3; c++) {
      const channel = pictures.filter((_, i) => i % 3 === c);
      expect(Math.min(...channel.subarray(0, 50_000))).toBeGreaterThanOrEqual(Math.fround(low[c]!));
      expect(Math.max(...channel.subarray(0, 50_000))).toBeLessThanOrEqual(Math.fround(high[c]!));
    }
  });

  test("differ from each other in brightness and contrast", () => {
    const each = Array.from({ length: 48 }, (_, n) =>
      moments(pictures.subarray(n * SIZE * SIZE * 3, (n + 1) * SIZE * SIZE * 3)),
    );
    expect(moments(each.map(({ mean }) => mean)).std).toBeGreaterThan(0.2);
    expect(moments(each.map(({ std }) => std)).std).toBeGreaterThan(0.1);
  });
});

describe("fields of the prior", () => {
  beforeAll(() => initializeKernels());

  test("stand for spectrograms, signals and features; colours and square greys are pictures", () => {
    expect(isPicture(layout(32, 32, 3))).toBe(true);
    expect(isPicture(layout(28, 28, 1))).toBe(true);
    expect(isPicture(layout(49, 10, 1))).toBe(false);
    expect(isPicture(layout(1, 1024, 3))).toBe(false);
    expect(isPicture(layout(1, 40, 1))).toBe(false);
  });

  test("have a power that falls by about 1/f in one dimension", () => {
    const signals = drawPrior(layout(1, 256, 1), 128, 2);
    const slope = Math.log2(rowPower(signals, 256, 1, 2) / rowPower(signals, 256, 1, 64)) / Math.log2(64 / 2);
    expect(slope).toBeGreaterThan(0.6);
    expect(slope).toBeLessThan(1.6);
  });

  test("are finite, spread and of the size asked for, whatever the layout", () => {
    const side = fc.constantFrom(1, 2, 3, 7, 8, 13);
    fc.assert(
      fc.property(
        side,
        side,
        fc.constantFrom(1, 2, 3, 5),
        fc.integer({ min: 1, max: 4 }),
        (h, w, c, count) => {
          const data = drawPrior(layout(h, w, c), count, 3);
          expect(data).toHaveLength(count * h * w * c);
          expect(data.every((value) => Number.isFinite(value) && Math.abs(value) < 12)).toBe(true);
          if (data.length > 8) expect(moments(data).std).toBeGreaterThan(0.02);
        },
      ),
      { numRuns: 60 },
    );
  });
});
