import { square, tensor1d, tidy } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { initializeKernels, kernels } from "../../src/kernels/heap.ts";
import { matMul } from "../../src/kernels/matmul.ts";
import { startProfile } from "../../src/kernels/profile.ts";
import { randomNormal } from "../../src/kernels/random.ts";

beforeAll(() => initializeKernels());

const multiply = (): void => tidy(() => void matMul(randomNormal([5, 7], 1, 1), randomNormal([7, 3], 1, 2)));

describe("startProfile", () => {
  it("counts and times every kernel between two laps", () => {
    let clock = 0;
    const profile = startProfile(() => clock++);
    multiply();
    multiply();
    const first = profile.lap();
    multiply();
    const second = profile.lap();
    profile.stop();
    // Each call reads the clock before and after: one tick.
    expect(first.get("matMul")).toEqual({ calls: 2, milliseconds: 2, foreign: false });
    expect(first.get("randomNormal")).toEqual({ calls: 4, milliseconds: 4, foreign: false });
    expect(second.get("matMul")).toEqual({ calls: 1, milliseconds: 1, foreign: false });
  });

  it("counts tfjs's own kernels apart from ours", () => {
    let clock = 0;
    const profile = startProfile(() => clock++);
    tidy(() => void square(tensor1d([1, 2, 3])));
    profile.stop();
    tidy(() => void square(tensor1d([1, 2, 3])));
    expect([...profile.lap()]).toEqual([["Square", { calls: 1, milliseconds: 1, foreign: true }]]);
  });

  it("leaves the kernels as they were", () => {
    const before = kernels();
    const profile = startProfile();
    expect(kernels()).not.toBe(before);
    profile.stop();
    expect(kernels()).toBe(before);
    multiply();
    expect(profile.lap().size).toBe(0);
  });
});
