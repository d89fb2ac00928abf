import { decode } from "fast-png";
import { describe, expect, it } from "vitest";
import type { Images } from "../../src/images.ts";
import { contactSheet } from "../../src/report/contactSheet.ts";

function ramp(shape: number[]): Images {
  const size = shape.reduce((product, dimension) => product * dimension, 1);
  return { shape, data: Float32Array.from({ length: size }, (_, i) => (i % 97) / 97) };
}

/** Gray or colour at a point of a decoded sheet. */
function at(png: ReturnType<typeof decode>, x: number, y: number): number[] {
  return [...png.data.subarray((y * png.width + x) * png.channels, (y * png.width + x + 1) * png.channels)];
}

describe("contactSheet", () => {
  it.each([
    { count: 1, columns: 1, rows: 1 },
    { count: 2, columns: 2, rows: 1 },
    { count: 5, columns: 3, rows: 2 },
    { count: 64, columns: 8, rows: 8 },
    { count: 300, columns: 8, rows: 8 },
  ])("lays out $count images as $columns × $rows", ({ count, columns, rows }) => {
    const png = decode(contactSheet(ramp([count, 32, 32, 3])));
    expect([png.width, png.height, png.channels]).toEqual([columns * 66 + 2, rows * 66 + 2, 3]);
  });

  it("shows spectrograms without a channel axis, and vectors as strips", () => {
    expect(decode(contactSheet(ramp([4, 32, 32])))).toMatchObject({ width: 134, height: 134, channels: 1 });
    expect(decode(contactSheet(ramp([4, 640])))).toMatchObject({ width: 1286, height: 8, channels: 1 });
  });

  it("shows pixels as they were before normalization", () => {
    const pixels = [0, 51, 102, 255, 10, 20, 30, 40, 200, 210, 220, 230];
    const mean = [0.5, 0.4, 0.3];
    const std = [0.2, 0.25, 0.3];
    const data = Float32Array.from(pixels, (pixel, i) => (pixel / 255 - mean[i % 3]!) / std[i % 3]!);
    const png = decode(contactSheet({ shape: [1, 2, 2, 3], data }, { mean, std }));
    // Two pixels a side, each enlarged 32 times, behind a gap of 2.
    expect(png.width).toBe(68);
    expect(at(png, 2, 2)).toEqual([0, 51, 102]);
    expect(at(png, 33, 33)).toEqual([0, 51, 102]);
    expect(at(png, 34, 2)).toEqual([255, 10, 20]);
    expect(at(png, 2, 65)).toEqual([30, 40, 200]);
    expect(at(png, 65, 65)).toEqual([210, 220, 230]);
    expect(at(png, 1, 10)).toEqual([255, 255, 255]);
    expect(at(png, 66, 10)).toEqual([255, 255, 255]);
  });

  it("stretches from the 1st to the 99th percentile without mean and std", () => {
    const data = Float32Array.from({ length: 64 * 64 }, (_, i) => i - 1000);
    data[0] = -1e6;
    data[5] = 1e6;
    const png = decode(contactSheet({ shape: [1, 64, 64, 1], data }));
    expect(at(png, 2, 2)).toEqual([0]);
    expect(at(png, 7, 2)).toEqual([255]);
    const middle = at(png, 2, 2 + 32)[0]!;
    expect(Math.abs(middle - 127)).toBeLessThan(3);
  });

  it("shows every channel in gray where there are not 1 or 3", () => {
    const images = ramp([3, 64, 64, 2]);
    for (let i = 0; i < images.data.length; i += 2) images.data[i + 1] = 5;
    const png = decode(contactSheet(images, { std: [1 / 5] }));
    expect([png.width, png.channels]).toEqual([3 * 66 + 2, 1]);
    expect(at(png, 2 + 66, 2)).toEqual([255]);
    expect(at(png, 2, 2)).not.toEqual([255]);
  });

  it("is gray, not undefined, for images without contrast", () => {
    const png = decode(contactSheet({ shape: [1, 70, 80, 1], data: new Float32Array(70 * 80).fill(3) }));
    expect([png.width, png.height]).toEqual([84, 74]);
    expect(at(png, 40, 40)).toEqual([128]);
  });

  it.each([[[0, 8, 8, 3]], [[0, 10]], [[4]], [[1, 2, 8, 8, 1]]])("refuses shape %j", (shape) => {
    expect(() => contactSheet(ramp(shape))).toThrow(/contact sheet/);
  });
});
