import { engine, grads, type Tensor, tensor1d, tensor2d } from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { GenieError } from "../../src/errors.ts";
import { type Binary, initializeKernels } from "../../src/kernels/heap.ts";
import { matMul } from "../../src/kernels/matmul.ts";
import { noise, relativeError } from "./naiveConvolution.ts";

const TOLERANCE = 1e-5;

type Options = { transposeA: boolean; transposeB: boolean };

const TRANSPOSES: Options[] = [false, true].flatMap((transposeA) =>
  [false, true].map((transposeB) => ({ transposeA, transposeB })),
);

/** Around the 4×8 tile, primes, and just over the blocks of depth, columns and rows. */
const SIZES: [m: number, n: number, k: number][] = [
  [1, 1, 1],
  [3, 7, 5],
  [4, 8, 4],
  [5, 9, 3],
  [13, 17, 19],
  [1, 31, 600],
  [129, 8, 7],
  [9, 131, 11],
  [131, 33, 1031],
  [5, 137, 1031],
  [1030, 5, 3],
  [520, 9, 130],
  [32, 10, 64],
];

/** A [rows, columns] matrix read in float64, transposed or not. */
function reader(data: Float32Array, rows: number, columns: number, transpose: boolean) {
  return (row: number, column: number): number =>
    data[transpose ? column * rows + row : row * columns + column]!;
}

function compare(m: number, n: number, k: number, options: Options): void {
  const [a, b, dc] = [noise(m * k, 1), noise(k * n, 2), noise(m * n, 3)];
  const aShape: [number, number] = options.transposeA ? [k, m] : [m, k];
  const bShape: [number, number] = options.transposeB ? [n, k] : [k, n];
  const [readA, readB] = [reader(a, m, k, options.transposeA), reader(b, k, n, options.transposeB)];
  const expected = { c: new Float64Array(m * n), a: new Float64Array(m * k), b: new Float64Array(k * n) };
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++)
      for (let d = 0; d < k; d++) {
        expected.c[i * n + j]! += readA(i, d) * readB(d, j);
        expected.a[options.transposeA ? d * m + i : i * k + d]! += dc[i * n + j]! * readB(d, j);
        expected.b[options.transposeB ? j * k + d : d * n + j]! += dc[i * n + j]! * readA(i, d);
      }
  engine().tidy(() => {
    const inputs = [tensor2d(a, aShape), tensor2d(b, bShape)] as const;
    const c = matMul(...inputs, options);
    expect(c.shape).toEqual([m, n]);
    expect(relativeError(c.dataSync(), expected.c), "c").toBeLessThan(TOLERANCE);
    const [da, db] = grads((a: Tensor, b: Tensor) => matMul(a, b, options))(
      [...inputs],
      tensor2d(dc, [m, n]),
    );
    expect(relativeError(da!.dataSync(), expected.a), "gradient by a").toBeLessThan(TOLERANCE);
    expect(relativeError(db!.dataSync(), expected.b), "gradient by b").toBeLessThan(TOLERANCE);
  });
}

describe.each<Binary>(["baseline", "relaxed"])("matMul, %s", (binary) => {
  beforeAll(() => initializeKernels({ binary }));

  describe.each(TRANSPOSES)("transposeA $transposeA, transposeB $transposeB", (options) => {
    it.each(SIZES)("equals the definition, with both gradients: %i × %i × %i", (m, n, k) =>
      compare(m, n, k, options),
    );
  });

  it("equals the definition for any size", () => {
    const size = fc.integer({ min: 1, max: 40 });
    fc.assert(fc.property(size, size, size, fc.constantFrom(...TRANSPOSES), compare), {
      numRuns: 100,
      seed: 20240913,
    });
  });

  it("refuses matrices that do not fit", () => {
    const [a, b] = [tensor2d(noise(6, 1), [2, 3]), tensor2d(noise(8, 1), [2, 4])];
    expect(() => matMul(a, b)).toThrow(GenieError);
    expect(matMul(a, b, { transposeA: true }).shape).toEqual([3, 4]);
    expect(() => matMul(tensor1d(noise(6, 1)), b)).toThrow(/matrices/);
  });
});
