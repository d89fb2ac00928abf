import { tensor } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { type Binary, initializeKernels } from "../../src/kernels/heap.ts";
import { searchActivationScale, searchWeightScale } from "../../src/kernels/scalesearch.ts";
import { randomInput } from "./gradcheck.ts";

function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  if (x - floor !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

const clip = (x: number, low: number, high: number) => Math.min(Math.max(x, low), high);

/** Mean |x − x̂|^2.4. */
function scoreOf(x: number[], step: number, zeroPoint: number, qmin: number, qmax: number): number {
  const errors = x.map((value) => {
    const code = clip(roundHalfEven(value / step) + zeroPoint, qmin, qmax);
    return Math.abs(value - (code - zeroPoint) * step) ** 2.4;
  });
  return errors.reduce((a, b) => a + b, 0) / x.length;
}

function leastScore(x: number[], fullStep: number, zeroPoint: number, qmin: number, qmax: number): number {
  const ratios = Array.from({ length: 100 }, (_, i) => (100 - i) / 100);
  return Math.min(...ratios.map((r) => scoreOf(x, Math.fround(fullStep * r), zeroPoint, qmin, qmax)));
}

describe.each<Binary>(["baseline", "relaxed"])("scale search, %s", (binary) => {
  beforeAll(async () => {
    await initializeKernels({ binary });
  });

  describe.each([2, 3, 4, 8])("%d bits", (bits) => {
    const qmax = 2 ** bits - 1;

    it.each([
      [1, 1],
      [5, 1],
      [9, 3],
      [27, 8],
      [257, 17],
      [1009, 3],
    ])("weights [%d, %d], asymmetric: the least error there is", (rows, channels) => {
      const { data } = randomInput([rows, channels], bits, 0.3, 1);
      const { step, zeroPoint } = searchWeightScale(tensor(data, [rows, channels]), channels, bits, false);
      for (let c = 0; c < channels; c++) {
        const column = [...data].filter((_, i) => i % channels === c);
        const [low, high] = [Math.min(0, ...column), Math.max(0, ...column)];
        expect(zeroPoint[c]).toBe(Math.round((Math.abs(low) / (high - low)) * qmax));
        const least = leastScore(column, (high - low) / qmax, zeroPoint[c]!, 0, qmax);
        expect(scoreOf(column, step[c]!, zeroPoint[c]!, 0, qmax)).toBeLessThanOrEqual(
          least * (1 + 1e-5) + 1e-20,
        );
      }
    });

    it("weights, symmetric: the zero point is the middle of the unsigned grid", () => {
      const { data } = randomInput([83, 5], bits);
      const { step, zeroPoint } = searchWeightScale(tensor(data, [83, 5]), 5, bits, true);
      const middle = 2 ** (bits - 1);
      expect([...zeroPoint]).toEqual(new Array(5).fill(middle));
      for (let c = 0; c < 5; c++) {
        const column = [...data].filter((_, i) => i % 5 === c);
        const full = Math.max(...column.map(Math.abs)) / (middle - 1);
        const least = leastScore(column, full, middle, 0, qmax);
        expect(scoreOf(column, step[c]!, middle, 0, qmax)).toBeLessThanOrEqual(least * (1 + 1e-5));
      }
    });

    it.each([1, 7, 129, 1009])("%d activations of either sign", (count) => {
      const raw = [...randomInput([count], 20 + bits).data];
      raw[0] = -0.7;
      const negative = searchActivationScale(tensor(raw), bits);
      expect(negative.signed).toBe(true);
      const half = 2 ** (bits - 1);
      const full = (2 * Math.max(...raw.map(Math.abs))) / qmax;
      expect(scoreOf(raw, negative.step, 0, -half, half - 1)).toBeLessThanOrEqual(
        leastScore(raw, full, 0, -half, half - 1) * (1 + 1e-5) + 1e-20,
      );
      const rectified = raw.map((x) => Math.max(0, x));
      rectified[0] = 0.5;
      const positive = searchActivationScale(tensor(rectified), bits);
      expect(positive.signed).toBe(false);
      expect(scoreOf(rectified, positive.step, 0, 0, qmax)).toBeLessThanOrEqual(
        leastScore(rectified, Math.max(...rectified) / qmax, 0, 0, qmax) * (1 + 1e-5) + 1e-20,
      );
    });
  });

  it("the zero point is a code even where all weights have one sign", () => {
    const positive = searchWeightScale(tensor([0.5, 0.6, 0.9, 1.5]), 1, 4, false);
    expect(positive.zeroPoint[0]).toBe(0);
    const negative = searchWeightScale(tensor([-0.5, -0.6, -0.9, -1.5]), 1, 4, false);
    expect(negative.zeroPoint[0]).toBe(15);
    expect(scoreOf([-1.5], negative.step[0]!, 15, 0, 15)).toBeLessThan(0.01);
  });

  it.each([true, false])(
    "a channel of zeros gets a step of 1, its neighbours their own (symmetric %s)",
    (symmetric) => {
      const { step } = searchWeightScale(tensor([0, 1, 0, -2, 0, 0.3], [3, 2]), 2, 4, symmetric);
      expect(step[0]).toBe(1);
      expect(step[1]).toBeLessThan(0.4);
      expect(searchActivationScale(tensor([0, 0, 0, 0, 0]), 4)).toEqual({ step: 1, signed: false });
    },
  );

  it("does not depend on the scale of the values", () => {
    const { data } = randomInput([500], 9);
    const unit = searchActivationScale(tensor(data), 4).step;
    for (const scale of [2 ** -60, 2 ** 60]) {
      expect(searchActivationScale(tensor(data.map((x) => x * scale)), 4).step).toBe(unit * scale);
    }
  });

  it("samples large activations in all their channels, quickly", () => {
    const count = 2_000_000;
    const channels = 32;
    // Channel 0 has all the weight: a sample that misses it, or sees only it, finds another step.
    const { data } = randomInput([count], 3);
    const x = data.map((value, i) => (i % channels === 0 ? 8 * value : value / 8));
    const start = performance.now();
    const { step } = searchActivationScale(tensor(x), 4);
    expect(performance.now() - start).toBeLessThan(3000);
    const part = [...x].filter((_, i) => i % channels === 0);
    const full = (2 * x.reduce((most, value) => Math.max(most, Math.abs(value)), 0)) / 15;
    expect(scoreOf(part, step, 0, -8, 7)).toBeLessThan(leastScore(part, full, 0, -8, 7) * 1.02);
  });

  it("refuses values that are not finite, other bits and other channels", () => {
    expect(() => searchActivationScale(tensor([1, Number.NaN, 2, 3, 4]), 4)).toThrow("nothing to quantize");
    expect(() => searchActivationScale(tensor([1, Number.POSITIVE_INFINITY]), 4)).toThrow("Infinity");
    expect(() => searchActivationScale(tensor([1]), 9)).toThrow("bits");
    expect(() => searchWeightScale(tensor([1, 2, 3]), 2, 4, false)).toThrow("2 channels");
  });
});
