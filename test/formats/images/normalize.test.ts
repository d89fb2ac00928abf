import { describe, expect, it } from "vitest";
import { normalizeImages } from "../../../src/formats/images/normalize.ts";

describe("normalizeImages", () => {
  it("computes (pixel / scale − mean) / std by channel", () => {
    const data = Uint8Array.of(0, 51, 255, 102, 204, 153);
    const { shape, data: out } = normalizeImages(
      { shape: [1, 1, 2, 3], data },
      { mean: [0.5, 0.2, 0.1], std: [0.5, 0.1, 0.3] },
    );
    expect(shape).toEqual([1, 1, 2, 3]);
    expect([...out].map((value) => Number(value.toFixed(5)))).toEqual([-1, 0, 3, -0.2, 6, 1.66667]);
  });

  it("takes one number for all channels, and another scale", () => {
    const pixels = { shape: [1, 2], data: Int16Array.of(10, -20) };
    expect([...normalizeImages(pixels, { scale: 10, mean: [1], std: [2] }).data]).toEqual([0, -1.5]);
  });

  it("leaves floats alone unless asked", () => {
    const pixels = { shape: [1, 1, 1, 2], data: Float32Array.of(1.5, -3) };
    expect([...normalizeImages(pixels).data]).toEqual([1.5, -3]);
    expect([...normalizeImages(pixels, { scale: 2, mean: [1] }).data]).toEqual([-0.25, -2.5]);
  });

  it.each([
    [{ scale: 0 }, /scale/],
    [{ mean: [1, 2] }, /mean needs 1 or 3 numbers/],
    [{ std: [1, 0, 1] }, /std must be positive/],
    [{ std: [] }, /std needs/],
  ])("refuses %j", (options, message) => {
    const pixels = { shape: [1, 1, 1, 3], data: Uint8Array.of(1, 2, 3) };
    expect(() => normalizeImages(pixels, options)).toThrow(message);
  });

  it("refuses what is no batch, and values that are not finite", () => {
    expect(() => normalizeImages({ shape: [3], data: Uint8Array.of(1, 2, 3) })).toThrow(/\[N, H, W, C\]/);
    expect(() => normalizeImages({ shape: [0, 3], data: new Uint8Array(0) })).toThrow(/\[N, H, W, C\]/);
    expect(() => normalizeImages({ shape: [1, 2], data: Float32Array.of(1, Number.NaN) })).toThrow(/NaN/);
  });
});
