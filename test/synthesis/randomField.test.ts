import { beforeAll, describe, expect, test } from "vitest";
import { initializeKernels } from "../../src/kernels/heap.ts";
import { randomField } from "../../src/synthesis/randomField.ts";

const shape = { count: 200, height: 12, width: 9, channels: 2 };
const [H, W, C] = [12, 9, 2];

/** Mean product of values that stand `down` rows, `across` columns and `deep` channels apart. */
function correlation(x: Float32Array, down: number, across: number, deep = 0): number {
  let [sum, count] = [0, 0];
  for (let n = 0; n < shape.count; n++) {
    for (let h = 0; h + down < H; h++) {
      for (let w = 0; w + across < W; w++) {
        const at = (row: number, column: number, c: number) => ((n * H + row) * W + column) * C + c;
        sum += x[at(h, w, 0)]! * x[at(h + down, w + across, deep)]!;
        count++;
      }
    }
  }
  return sum / count;
}

describe("randomField", () => {
  beforeAll(() => initializeKernels());

  test.each([0, 0.5, 0.9])("neighbours correlate by ρ = %d, channels not at all", (rho) => {
    const x = randomField(shape, rho, 1, 2);
    const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
    const power = x.reduce((sum, value) => sum + value * value, 0) / x.length;
    expect(mean).toBeCloseTo(0, 4);
    expect(power).toBeCloseTo(1, 4);
    const variance = correlation(x, 0, 0);
    for (const [down, across] of [
      [1, 0],
      [0, 1],
      [1, 1],
      [3, 2],
    ] as const) {
      expect(Math.abs(correlation(x, down, across) / variance - rho ** (down + across))).toBeLessThan(0.06);
    }
    expect(Math.abs(correlation(x, 0, 0, 1))).toBeLessThan(0.12);
  });

  test("the same seed and stream give the same field", () => {
    expect(randomField(shape, 0.8, 3, 4)).toEqual(randomField(shape, 0.8, 3, 4));
    expect(randomField(shape, 0.8, 3, 4)).not.toEqual(randomField(shape, 0.8, 3, 5));
  });
});
