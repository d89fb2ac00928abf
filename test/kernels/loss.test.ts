import { grads, scalar, tensor } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { type Binary, emptyTensor, initializeKernels, view } from "../../src/kernels/heap.ts";
import { squaredError, sumScalars } from "../../src/kernels/loss.ts";
import { checkOp, randomInput } from "./gradcheck.ts";

describe.each<Binary>(["baseline", "relaxed"])("%s", (binary) => {
  beforeAll(async () => {
    await initializeKernels({ binary });
  });

  it.each([1, 2, 3, 4, 5, 15, 16, 17, 64, 1023, 1024, 1025, 5001])("squaredError of %i elements", (size) => {
    checkOp({
      inputs: [randomInput([size], 1), randomInput([size], 2)],
      run: ([a, b]) => squaredError(a!, b!, 0.25),
      naive: ([a, b]) => Float64Array.of(0.25 * a!.reduce((sum, value, i) => sum + (value - b![i]!) ** 2, 0)),
      differentiable: [0],
      tolerance: 1e-6,
    });
  });

  it("keeps six digits over 10⁷ elements", () => {
    const size = 1e7;
    const [a, b] = [emptyTensor([size]), emptyTensor([size])];
    // A constant difference is the worst case of a running sum in f32: it would stall at 2²⁴.
    view(a).fill(1.1);
    view(b).fill(0.1);
    const difference = Math.fround(Math.fround(1.1) - Math.fround(0.1));
    const got = view(squaredError(a, b, 1))[0]!;
    a.dispose();
    b.dispose();
    expect(Math.abs(got / (size * difference ** 2) - 1)).toBeLessThan(1e-6);
  });

  it("scales its gradient by the one it receives", () => {
    const [da] = grads((a) => squaredError(a, tensor([1, 1], [2]), 0.5))([tensor([3, 0], [2])], scalar(10));
    expect([...view(da!)]).toEqual([20, -10]);
  });

  it("sums more than ten scalars, each with its weight", () => {
    const values = Array.from({ length: 12 }, (_, i) => scalar(i));
    const weights = values.map((_, i) => i - 3);
    const total = (...terms: typeof values) =>
      sumScalars(terms.map((value, i) => ({ value, weight: weights[i]! })));
    const expected = weights.reduce((sum, weight, i) => sum + weight * i, 0);
    expect(view(total(...values))[0]).toBe(expected);
    const gradients = grads((...terms) => total(...(terms as typeof values)))(values, scalar(2));
    expect(gradients.map((value) => view(value)[0])).toEqual(weights.map((weight) => 2 * weight));
  });
});
