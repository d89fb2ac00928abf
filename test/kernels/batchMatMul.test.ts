import { tensor, matMul as tfMatMul } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { batchMatMul } from "../../src/kernels/batchMatMul.ts";
import { type Binary, initializeKernels, view } from "../../src/kernels/heap.ts";
import { dense } from "../../src/kernels/matmul.ts";
import { onCpu } from "../support/cpuBackend.ts";
import { checkOp, expectClose, randomInput } from "./gradcheck.ts";

const CASES: [a: number[], b: number[]][] = [
  [
    [1, 1, 1],
    [1, 1, 1],
  ],
  [
    [2, 3, 5],
    [2, 5, 7],
  ],
  [
    [2, 3, 4, 8],
    [2, 3, 8, 9],
  ],
  [
    [2, 1, 5, 3],
    [2, 4, 3, 2],
  ],
  [
    [2, 3, 4, 5],
    [1, 3, 5, 4],
  ],
];

/** Σ a[…, m, k]·b[…, k, p] by NumPy's rules. */
function naive(a: Float64Array, aShape: number[], b: Float64Array, bShape: number[]): Float64Array {
  const [m, k, p] = [aShape.at(-2)!, aShape.at(-1)!, bShape.at(-1)!];
  const batch = aShape.slice(0, -2).map((size, axis) => Math.max(size, bShape[axis]!));
  const y: number[] = [];
  const count = batch.reduce((x, z) => x * z, 1);
  for (let i = 0; i < count; i++) {
    const matrix = (shape: number[]) => {
      let [left, at, step] = [i, 0, 1];
      for (let axis = batch.length - 1; axis >= 0; axis--) {
        const index = left % batch[axis]!;
        left = Math.floor(left / batch[axis]!);
        if (shape[axis] !== 1) at += index * step;
        step *= shape[axis]!;
      }
      return at;
    };
    const [from, by] = [matrix(aShape) * m * k, matrix(bShape) * k * p];
    for (let row = 0; row < m; row++) {
      for (let column = 0; column < p; column++) {
        let sum = 0;
        for (let j = 0; j < k; j++) sum += a[from + row * k + j]! * b[by + j * p + column]!;
        y.push(sum);
      }
    }
  }
  return Float64Array.from(y);
}

describe.each<Binary>(["baseline", "relaxed"])("%s", (binary) => {
  beforeAll(async () => {
    await initializeKernels({ binary });
  });

  it.each(CASES)("batchMatMul of %j and %j, with both gradients", (aShape, bShape) => {
    checkOp({
      inputs: [randomInput(aShape, 1), randomInput(bShape, 2)],
      run: ([a, b]) => batchMatMul(a!, b!),
      naive: ([a, b]) => naive(a!, aShape, b!, bShape),
      samples: 40,
    });
  });

  it.each([[[3, 5]], [[2, 3, 5]], [[2, 3, 4, 5]]])("dense on %j, with both gradients", (shape) => {
    const rows = shape.slice(0, -1).reduce((x, y) => x * y, 1);
    checkOp({
      inputs: [randomInput(shape, 1), randomInput([5, 9], 2)],
      run: ([x, kernel]) => {
        const y = dense(x!, kernel!);
        expect(y.shape).toEqual([...shape.slice(0, -1), 9]);
        return y;
      },
      naive: ([x, kernel]) => naive(x!, [1, rows, 5], kernel!, [1, 5, 9]),
    });
  });

  it("batchMatMul is tfjs's", async () => {
    const [a, b] = [randomInput([2, 3, 7, 11], 1), randomInput([2, 3, 11, 5], 2)];
    const expected = await onCpu(() => tfMatMul(tensor(a.data, a.shape), tensor(b.data, b.shape)));
    expectClose(view(batchMatMul(tensor(a.data, a.shape), tensor(b.data, b.shape))), expected, 1e-5);
  });
});
