/** Rounding with feedback: each weight makes up for the errors of those rounded before it, in closed form. */

/** A grid for every output channel: w = code · step, with codes from `least` to `most`. All [O]. */
export interface Grids {
  step: Float32Array;
  least: Float32Array;
  most: Float32Array;
}

/**
 * λ as a share of the mean of H's diagonal: what the samples do not decide stays as it is. MobileNetV1 0.75 on 64
 * synthetic images, nothing learned, top-1 at W4A8 and W4A4: with 0.1 83.0 and 68.4 %, with 1 82.4 and 69.6, with 3
 * at W4A4 67.2.
 */
const DAMPING = 1;

/**
 * Codes q [K, O] on the grids with a small error tr((ŵ − w′)ᵀ H (ŵ − w′)), ŵ = q·step: rows are rounded one after the
 * other, those of most variance first, and each takes the errors of the ones before it (OBQ, Frantar & Alistarh, NeurIPS
 * 2022; GPTQ, ICLR 2023, which is Babai's nearest plane algorithm).
 *
 * w′ = w + (H + λ)⁻¹·(G − H)·w is what gives the float outputs from quantized inputs best, in the least squares.
 *
 * @param weights w [K, O]
 * @param own H = Σ x̂x̂ᵀ [K, K] over samples of the quantized inputs x̂
 * @param cross G = Σ x̂xᵀ [K, K], with the float inputs x
 */
export function roundWithFeedback(
  weights: Float32Array,
  own: Float32Array,
  cross: Float32Array,
  grids: Grids,
): Float32Array {
  const inputs = Math.sqrt(own.length);
  const outputs = weights.length / inputs;
  const at = (i: number, j: number): number => i * inputs + j;
  let trace = 0;
  for (let i = 0; i < inputs; i++) trace += own[at(i, i)]!;
  const damping = (DAMPING * trace) / inputs || 1;
  // The last row in this order is rounded first.
  const order = Array.from({ length: inputs }, (_, i) => i).sort((a, b) => own[at(a, a)]! - own[at(b, b)]!);
  const metric = new Float64Array(own.length);
  for (const [i, row] of order.entries()) {
    for (const [j, column] of order.entries()) metric[at(i, j)] = own[at(row, column)]!;
    metric[at(i, i)]! += damping;
  }
  const factor = cholesky(metric, inputs);
  const wanted = new Float64Array(weights.length);
  for (const [i, row] of order.entries()) {
    const to = wanted.subarray(i * outputs, (i + 1) * outputs);
    for (let k = 0; k < inputs; k++) {
      addScaled(to, weights, k * outputs, cross[at(row, k)]! - own[at(row, k)]!);
    }
  }
  solve(factor, inputs, wanted, outputs);
  for (const [i, row] of order.entries()) {
    for (let o = 0; o < outputs; o++) wanted[i * outputs + o]! += weights[row * outputs + o]!;
  }
  const codes = new Float32Array(weights.length);
  const errors = new Float64Array(weights.length);
  const carried = new Float64Array(outputs);
  for (let i = inputs - 1; i >= 0; i--) {
    carried.fill(0);
    for (let j = i + 1; j < inputs; j++) addScaled(carried, errors, j * outputs, factor[at(j, i)]!);
    const diagonal = factor[at(i, i)]!;
    for (let o = 0; o < outputs; o++) {
      const target = wanted[i * outputs + o]!;
      const nearest = Math.round((target - carried[o]! / diagonal) / grids.step[o]!);
      const code = Math.min(grids.most[o]!, Math.max(grids.least[o]!, nearest));
      codes[order[i]! * outputs + o] = code;
      errors[i * outputs + o] = code * grids.step[o]! - target;
    }
  }
  return codes;
}

/** to += factor · row of `to.length` values at `from`. */
function addScaled(
  to: Float64Array,
  values: Float32Array | Float64Array,
  from: number,
  factor: number,
): void {
  if (factor === 0) return;
  for (let o = 0; o < to.length; o++) to[o]! += factor * values[from + o]!;
}

/** Lower L with L·Lᵀ = the positive definite matrix [n, n]. */
function cholesky(matrix: Float64Array, n: number): Float64Array {
  const lower = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    const row = lower.subarray(i * n, i * n + n);
    for (let j = 0; j <= i; j++) {
      const other = lower.subarray(j * n, j * n + n);
      let rest = matrix[i * n + j]!;
      for (let k = 0; k < j; k++) rest -= row[k]! * other[k]!;
      row[j] = i === j ? Math.sqrt(rest) : rest / other[j]!;
    }
  }
  return lower;
}

/** x [n, columns] with L·Lᵀ·x = b, in the place of b. */
function solve(lower: Float64Array, n: number, b: Float64Array, columns: number): void {
  const rowOf = (i: number): Float64Array => b.subarray(i * columns, (i + 1) * columns);
  for (let i = 0; i < n; i++) {
    const row = rowOf(i);
    for (let k = 0; k < i; k++) addScaled(row, b, k * columns, -lower[i * n + k]!);
    for (let o = 0; o < columns; o++) row[o]! /= lower[i * n + i]!;
  }
  for (let i = n - 1; i >= 0; i--) {
    const row = rowOf(i);
    for (let k = i + 1; k < n; k++) addScaled(row, b, k * columns, -lower[k * n + i]!);
    for (let o = 0; o < columns; o++) row[o]! /= lower[i * n + i]!;
  }
}
