import { tensor } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { adamState, adamUpdate } from "../../src/kernels/adam.ts";
import { type Binary, initializeKernels, view } from "../../src/kernels/heap.ts";
import { expectClose, randomInput } from "./gradcheck.ts";

describe.each<Binary>(["baseline", "relaxed"])("Adam, %s", (binary) => {
  beforeAll(async () => {
    await initializeKernels({ binary });
  });

  it.each([1, 3, 4, 5, 7, 127, 128, 129, 1009])(
    "100 steps of %d parameters follow torch's formula",
    (count) => {
      const start = randomInput([count], 1).data;
      const parameter = tensor(start);
      const state = adamState([count]);
      const expected = Float64Array.from(start);
      const m = new Float64Array(count);
      const v = new Float64Array(count);
      for (let step = 1; step <= 100; step++) {
        const learningRate = 0.1 / step;
        const gradient = tensor(randomInput([count], step + 1, 0.1, 1e-3).data);
        adamUpdate(parameter, state, gradient, { step, learningRate });
        view(gradient).forEach((g, i) => {
          m[i] = 0.9 * m[i]! + 0.1 * g;
          v[i] = 0.999 * v[i]! + 0.001 * g * g;
          const denominator = Math.sqrt(v[i]!) / Math.sqrt(1 - 0.999 ** step) + 1e-8;
          expected[i]! -= (learningRate / (1 - 0.9 ** step)) * (m[i]! / denominator);
        });
        gradient.dispose();
      }
      expectClose(view(parameter), expected, 3e-6);
      expectClose(view(state.m), m, 1e-5);
      expectClose(view(state.v), v, 1e-5);
    },
  );

  it("takes other constants, and a gradient of 0 moves nothing", () => {
    const parameter = tensor([1, 2, 3]);
    const state = adamState([3]);
    const options = { step: 1, learningRate: 0.5, beta1: 0.5, beta2: 0.9, epsilon: 1 };
    adamUpdate(parameter, state, tensor([0, 3, -1]), options);
    // First step: m̂ = g and √v̂ = |g| whatever the betas are.
    expectClose(view(parameter), [1, 2 - (0.5 * 3) / 4, 3 + (0.5 * 1) / 2], 1e-6);
  });

  it.each([1, 4, 7, 128, 129])(
    "%d elements move by factors of their own, with moments that know nothing of them",
    (count) => {
      const gradient = tensor(randomInput([count], 1).data);
      const factors = tensor(Float32Array.from({ length: count }, (_, i) => i / 3));
      const [plain, paced] = [tensor(new Float32Array(count)), tensor(new Float32Array(count))];
      const [plainState, pacedState] = [adamState([count]), adamState([count])];
      for (let step = 1; step <= 3; step++) {
        adamUpdate(plain, plainState, gradient, { step, learningRate: 0.1 });
        adamUpdate(paced, pacedState, gradient, { step, learningRate: 0.1, factors });
      }
      expectClose(
        view(paced),
        view(plain).map((value, i) => (value * i) / 3),
        1e-6,
      );
      expect([...view(pacedState.v)]).toEqual([...view(plainState.v)]);
    },
  );

  it("refuses sizes that differ and steps below 1", () => {
    const state = adamState([2]);
    expect(() => adamUpdate(tensor([1]), state, tensor([1]), { step: 1, learningRate: 1 })).toThrow(
      "Adam on",
    );
    const factors = tensor([1, 2]);
    const one = adamState([1]);
    expect(() => adamUpdate(tensor([1]), one, tensor([1]), { step: 1, learningRate: 1, factors })).toThrow(
      "factors [2]",
    );
    expect(() => adamUpdate(tensor([1, 2]), state, tensor([1, 2]), { step: 0, learningRate: 1 })).toThrow(
      "from 1",
    );
  });
});
