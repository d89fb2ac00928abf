import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nonNegativeSolve, ridgeSolve } from "../../src/synthesis/leastSquares.ts";

const rows = (...values: number[][]): Float64Array[] => values.map((row) => Float64Array.from(row));
const finite = fc.double({ min: -3, max: 3, noNaN: true });

describe("ridgeSolve", () => {
  test("solves a square system where λ is small", () => {
    const x = ridgeSolve(rows([2, 1], [1, 3]), [5, 10], 1e-12);
    expect(x[0]).toBeCloseTo(1, 6);
    expect(x[1]).toBeCloseTo(3, 6);
  });

  test("shares evenly what one equation says of several unknowns", () => {
    const x = ridgeSolve(rows([1, 1, 1]), [6], 1e-9);
    for (const value of x) expect(value).toBeCloseTo(2, 6);
  });

  test("meets the normal equations (AᵀA + λI)·x = Aᵀb", () => {
    const matrix = fc.array(fc.tuple(finite, finite, finite), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(matrix, fc.array(finite, { minLength: 6, maxLength: 6 }), (a, b) => {
        const x = ridgeSolve(rows(...a), b.slice(0, a.length), 0.1);
        for (let k = 0; k < 3; k++) {
          const gradient = a.reduce(
            (sum, row, e) => sum + row[k]! * (row.reduce((s, v, j) => s + v * x[j]!, 0) - b[e]!),
            0.1 * x[k]!,
          );
          expect(Math.abs(gradient)).toBeLessThan(1e-8);
        }
      }),
    );
  });
});

describe("nonNegativeSolve", () => {
  test("finds amounts that are there and leaves out those that would be negative", () => {
    const a = rows([1, 0, 2], [0, 1, 1], [1, 1, 0], [2, 1, 1]);
    const truth = [3, 0, 1];
    const b = a.map((row) => row.reduce((sum, value, k) => sum + value * truth[k]!, 0));
    const x = nonNegativeSolve(a, b, 0);
    for (const [k, value] of x.entries()) expect(value).toBeCloseTo(truth[k]!, 6);
    expect([...nonNegativeSolve(rows([1], [1]), [-1, -2], 0)]).toEqual([0]);
  });

  test("an unknown that no equation reads is 0", () => {
    expect([...nonNegativeSolve(rows([1, 0], [2, 0]), [1, 2], 0)]).toEqual([1, 0]);
  });

  test("meets the conditions of Karush, Kuhn and Tucker", () => {
    const matrix = fc.array(fc.tuple(finite, finite), { minLength: 3, maxLength: 6 });
    fc.assert(
      fc.property(matrix, fc.array(finite, { minLength: 6, maxLength: 6 }), (a, b) => {
        const ridge = 0.1;
        const x = nonNegativeSolve(rows(...a), b.slice(0, a.length), ridge);
        const power = a.reduce((sum, row) => sum + row[0] ** 2 + row[1] ** 2, 0);
        for (const k of [0, 1] as const) {
          const gradient = a.reduce(
            (sum, row, e) => sum + row[k] * (row[0] * x[0]! + row[1] * x[1]! - b[e]!),
            ((ridge * power) / 2) * x[k]!,
          );
          expect(x[k]).toBeGreaterThanOrEqual(0);
          if (x[k]! > 0) expect(Math.abs(gradient)).toBeLessThan(1e-6);
          else expect(gradient).toBeGreaterThan(-1e-6);
        }
      }),
    );
  });
});
