import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cropCentre, fitTo } from "../../../src/formats/images/fit.ts";
import type { Pixels } from "../../../src/formats/images/pixels.ts";
import { resize } from "../../../src/formats/images/resize.ts";
import { fixturePixels, pixelsOf } from "./fixtures.ts";

describe("resize", () => {
  it.each(["down", "up", "mixed"])("is Pillow's BILINEAR within one level: %s", async (name) => {
    const expected = await fixturePixels(`${name}.npy`);
    const { height, width, data } = resize(
      await fixturePixels("original.npy"),
      expected.height,
      expected.width,
    );
    expect([height, width]).toEqual([expected.height, expected.width]);
    // Pillow's weights have 22 bits, so ties may fall on the other side.
    const worst = data.reduce((most, value, i) => Math.max(most, Math.abs(value - expected.data[i]!)), 0);
    const different = data.filter((value, i) => value !== expected.data[i]).length;
    expect(worst).toBeLessThanOrEqual(1);
    expect(different / data.length).toBeLessThan(0.01);
  });

  it("leaves one colour as it is, in every size", () => {
    const side = fc.integer({ min: 1, max: 40 });
    fc.assert(
      fc.property(side, side, side, side, fc.nat(255), (h, w, height, width, value) => {
        const image = pixelsOf(h, w, 1, new Array<number>(h * w).fill(value));
        expect(new Set(resize(image, height, width).data)).toEqual(new Set([value]));
      }),
      { numRuns: 50 },
    );
  });
});

/** Every pixel tells where it was: 16·row + column. */
const numbered = (height: number, width: number): Pixels =>
  pixelsOf(
    height,
    width,
    1,
    Array.from({ length: height * width }, (_, i) => 16 * Math.floor(i / width) + (i % width)),
  );

describe("cropCentre", () => {
  it("takes the middle, halves rounded to even", () => {
    // Remainders 5 and 3: tops 2.5 → 2, lefts 1.5 → 2.
    expect([...cropCentre(numbered(7, 5), 2, 2).data]).toEqual([34, 35, 50, 51]);
  });

  it("refuses to take more than there is", () => {
    expect(() => cropCentre(numbered(4, 5), 4, 6)).toThrow(/4×6 pixels cannot be cropped from 4×5/);
  });
});

describe("fitTo", () => {
  it("leaves a picture of the right size alone", () => {
    const image = numbered(6, 7);
    expect(fitTo(image, 6, 7)).toEqual(image);
  });

  it("gives the size asked for, whatever comes in", () => {
    const side = fc.integer({ min: 1, max: 60 });
    fc.assert(
      fc.property(side, side, side, side, (h, w, height, width) => {
        const fitted = fitTo(pixelsOf(h, w, 1, new Array<number>(h * w).fill(7)), height, width);
        expect([fitted.height, fitted.width, fitted.data.length]).toEqual([height, width, height * width]);
      }),
      { numRuns: 200 },
    );
  });

  it("scales without cropping where the shape is the model's already", () => {
    const image = numbered(6, 9);
    expect(fitTo(image, 4, 6)).toEqual(resize(image, 4, 6));
  });

  it("resizes the shorter side and crops, as torchvision does", async () => {
    const image = await fixturePixels("original.npy");
    // Height 21 → 16; width 34 → ⌊16·34/21⌋ = 25.
    expect(fitTo(image, 12, 12, { resize: 16 })).toEqual(cropCentre(resize(image, 16, 25), 12, 12));
  });

  it("crops first and scales then with crop alone", async () => {
    const image = await fixturePixels("original.npy");
    expect(fitTo(image, 10, 10, { crop: 20 })).toEqual(resize(cropCentre(image, 20, 20), 10, 10));
  });

  it("does both, one after the other", async () => {
    const image = await fixturePixels("original.npy");
    const expected = resize(cropCentre(resize(image, 16, 25), 14, 14), 7, 7);
    expect(fitTo(image, 7, 7, { resize: 16, crop: 14 })).toEqual(expected);
  });

  it("refuses a resize below the model's size", () => {
    expect(() => fitTo(numbered(9, 9), 8, 8, { resize: 7 })).toThrow(/8×8 .*7×7.*--resize/);
  });
});
