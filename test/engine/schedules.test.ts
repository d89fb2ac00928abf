import { describe, expect, test } from "vitest";
import { constant, cosineDecay, reduceOnPlateau, stepDecay } from "../../src/engine/schedules.ts";

describe("schedules", () => {
  test("constant stays", () => {
    expect(constant(0.1)(99, 1)).toBe(0.1);
  });

  test("cosine goes from the rate over its half to zero", () => {
    const schedule = cosineDecay(0.4, 100);
    expect(schedule(0, 0)).toBeCloseTo(0.4, 12);
    expect(schedule(50, 0)).toBeCloseTo(0.2, 12);
    expect(schedule(100, 0)).toBeCloseTo(0, 12);
    expect(schedule(150, 0)).toBeCloseTo(0, 12);
  });

  test("steps multiply every so many iterations", () => {
    const schedule = stepDecay(1, 0.5, 10);
    expect([0, 9, 10, 19, 20].map((t) => schedule(t, 0))).toEqual([1, 1, 0.5, 0.5, 0.25]);
  });

  // torch.optim.lr_scheduler.ReduceLROnPlateau(patience=2, factor=0.1, min_lr=1e-2) on the same losses: the rate
  // falls after the third stale loss in a row, and an improvement below the relative threshold is none.
  test("plateau waits for more than `patience` stale losses", () => {
    const schedule = reduceOnPlateau(1, { patience: 2, minimum: 0.01, factor: 0.1 });
    const losses = [5, 4, 4, 3.9999, 4, 4, 4, 4, 3, 3, 3, 3, 3, 3, 3];
    const rates = [schedule(0, Number.POSITIVE_INFINITY)];
    losses.forEach((loss, t) => {
      rates.push(schedule(t + 1, loss));
    });
    const expected = [1, 1, 1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01];
    rates.forEach((rate, t) => {
      expect(rate).toBeCloseTo(expected[t]!, 12);
    });
  });
});
