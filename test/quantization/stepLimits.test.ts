import { describe, expect, test } from "vitest";
import { limitSteps } from "../../src/quantization/stepLimits.ts";

/** A filter [2, O] of the given weight in each channel. */
function filter(...weights: number[]) {
  return { shape: [2, weights.length], data: Float32Array.of(...weights, ...weights) };
}

describe("limits of weight steps", () => {
  test("leave a step alone that its bias can be counted in", () => {
    const steps = Float32Array.of(0.01, 1e-6);
    expect(limitSteps(steps, filter(1, 1e-4), Float32Array.of(3, -0.5), 0.02)).toEqual(steps);
  });

  test("lift the step of a dead channel until 30 bits hold its bias", () => {
    const unit = 0.0235;
    const [live, dead] = limitSteps(
      Float32Array.of(0.01, 1e-14),
      filter(1, 1e-12),
      Float32Array.of(1, -29.8),
      unit,
    );
    expect(live).toBe(Math.fround(0.01));
    expect(29.8 / (dead! * unit)).toBeCloseTo(2 ** 29, -3);
  });

  test("keep steps of products above the denormals", () => {
    const [step] = limitSteps(Float32Array.of(1e-36), filter(1e-35), Float32Array.of(0), 1e-6);
    expect(Math.fround(step! * 1e-6)).toBeGreaterThan(2 ** -121);
  });

  test("give a channel of zeros a step that its layer's biases are fine in, and 1 where there are none", () => {
    const steps = Float32Array.of(0.01, 1);
    const [, own] = limitSteps(steps, filter(1, 0), Float32Array.of(-4, 0.01), 0.5);
    expect(own! * 0.5).toBe(2 ** -18);
    expect(limitSteps(steps, filter(1, 0), Float32Array.of(0, 0), 0.5)).toEqual(steps);
  });
});
