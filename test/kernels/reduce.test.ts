import { max, mean, min, sum, type Tensor, tensor } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { type Binary, initializeKernels, view } from "../../src/kernels/heap.ts";
import { reduce } from "../../src/kernels/reduce.ts";
import { onCpu } from "../support/cpuBackend.ts";
import { checkOp, expectClose, randomInput } from "./gradcheck.ts";

const CASES: [shape: number[], axes: number[]][] = [
  [[3, 1], [1]],
  [[3, 7], [1]],
  [[2, 5, 3], [1]],
  [[2, 5, 16], [1]],
  [[2, 5, 17], [1]],
  [
    [2, 3, 5, 7],
    [1, 2],
  ],
  [
    [2, 3, 5, 4],
    [2, 3],
  ],
  [
    [2, 3, 5, 4],
    [1, 3],
  ],
  [
    [2, 3, 4, 5, 3],
    [1, 3, 4],
  ],
  [[2, 1, 5], [1]],
];

const REDUCTIONS = {
  sum: (values: number[]) => values.reduce((a, b) => a + b, 0),
  mean: (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length,
  max: (values: number[]) => Math.max(...values),
  min: (values: number[]) => Math.min(...values),
};

/** The values that each element of the result is made of, in its order. */
function grouped(x: Float64Array, shape: number[], axes: number[]): number[][] {
  const groups = new Map<string, number[]>();
  x.forEach((value, i) => {
    let left = i;
    const index = shape.map(() => 0);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] = left % shape[axis]!;
      left = Math.floor(left / shape[axis]!);
    }
    const key = index.filter((_, axis) => !axes.includes(axis)).join();
    groups.set(key, [...(groups.get(key) ?? []), value]);
  });
  return [...groups.values()];
}

describe.each<Binary>(["baseline", "relaxed"])("reduce, %s", (binary) => {
  beforeAll(async () => {
    await initializeKernels({ binary });
  });

  describe.each(["sum", "mean", "max", "min"] as const)("%s", (kind) => {
    it.each(CASES)("of %j over %j", (shape, axes) => {
      checkOp({
        inputs: [randomInput(shape, 1)],
        run: ([x]) => reduce(x!, kind, axes),
        naive: ([x]) => Float64Array.from(grouped(x!, shape, axes), REDUCTIONS[kind]),
        samples: 40,
      });
    });

    it("is what tfjs computes", async () => {
      const { shape, data } = randomInput([2, 7, 5, 13], 3);
      const theirs = { sum, mean, max, min }[kind] as (x: Tensor, axes: number[], keep: boolean) => Tensor;
      const expected = await onCpu(() => theirs(tensor(data, shape), [1, 3], true));
      const y = reduce(tensor(data, shape), kind, [1, 3]);
      expect(y.shape).toEqual([2, 1, 5, 1]);
      expectClose(view(y), expected, 1e-6);
    });
  });

  it("sums a million equal values to the last bit", () => {
    const x = tensor(new Float32Array(2 ** 20).fill(0.1), [1, 2 ** 20]);
    expect(view(reduce(x, "sum", [1]))[0]).toBe(Math.fround(Math.fround(0.1) * 2 ** 20));
  });
});
