/**
 * Register tiles of the gradient by a 3×3 depthwise filter: four channels of whole rows, the nine sums in registers.
 * A column of the input is read once a row of outputs, and multiplied by the gradients of all outputs that read it.
 * `filter` of the window is where the sums are added.
 */
import { rowStart, rowStep, Window } from "./depthwise3x3Window";
import { madd } from "../madd";
import { firstLanes } from "./tail";

/** Rows [from, to) of the outputs' gradient, stride 1 across, 0 ≤ left ≤ 2. */
export function sumByOne(at: Window, from: i32, to: i32): void {
  let s00 = f32x4.splat(0);
  let s01 = f32x4.splat(0);
  let s02 = f32x4.splat(0);
  let s10 = f32x4.splat(0);
  let s11 = f32x4.splat(0);
  let s12 = f32x4.splat(0);
  let s20 = f32x4.splat(0);
  let s21 = f32x4.splat(0);
  let s22 = f32x4.splat(0);
  const pixel = at.pixel;
  const width = at.width;
  const left = at.left;
  // Columns whose first tap has an output.
  const end = max(0, min(width, at.outputWidth - left));
  for (let r = from; r < to; r++) {
    const first = r * at.stride - at.top;
    const d0 = rowStep(at, first);
    const d1 = rowStep(at, first + 1);
    const d2 = rowStep(at, first + 2);
    let p0 = rowStart(at, first);
    let p1 = rowStart(at, first + 1);
    let p2 = rowStart(at, first + 2);
    const row = at.output + <usize>r * at.outputRow;
    // Gradients of the outputs that read the next column through the middle and the last tap.
    let g1 = left > 0 && left <= at.outputWidth ? v128.load(row + <usize>(left - 1) * pixel) : f32x4.splat(0);
    let g2 = left > 1 ? v128.load(row) : f32x4.splat(0);
    let gradient = row + <usize>left * pixel;
    for (let i = 0; i < end; i++) {
      const g0 = v128.load(gradient);
      const x0 = v128.load(p0);
      const x1 = v128.load(p1);
      const x2 = v128.load(p2);
      s00 = madd(x0, g0, s00);
      s01 = madd(x0, g1, s01);
      s02 = madd(x0, g2, s02);
      s10 = madd(x1, g0, s10);
      s11 = madd(x1, g1, s11);
      s12 = madd(x1, g2, s12);
      s20 = madd(x2, g0, s20);
      s21 = madd(x2, g1, s21);
      s22 = madd(x2, g2, s22);
      g2 = g1;
      g1 = g0;
      gradient += pixel;
      p0 += d0;
      p1 += d1;
      p2 += d2;
    }
    for (let i = end; i < min(width, end + 2); i++) {
      const x0 = v128.load(p0);
      const x1 = v128.load(p1);
      const x2 = v128.load(p2);
      s01 = madd(x0, g1, s01);
      s02 = madd(x0, g2, s02);
      s11 = madd(x1, g1, s11);
      s12 = madd(x1, g2, s12);
      s21 = madd(x2, g1, s21);
      s22 = madd(x2, g2, s22);
      g2 = g1;
      g1 = f32x4.splat(0);
      p0 += d0;
      p1 += d1;
      p2 += d2;
    }
  }
  addSums(at, s00, s01, s02, s10, s11, s12, s20, s21, s22);
}

/** Rows [from, to) of the outputs' gradient, stride 2 across, left 0 or 1, at most one column of padding behind. */
export function sumByTwo(at: Window, from: i32, to: i32): void {
  let s00 = f32x4.splat(0);
  let s01 = f32x4.splat(0);
  let s02 = f32x4.splat(0);
  let s10 = f32x4.splat(0);
  let s11 = f32x4.splat(0);
  let s12 = f32x4.splat(0);
  let s20 = f32x4.splat(0);
  let s21 = f32x4.splat(0);
  let s22 = f32x4.splat(0);
  const pixel = at.pixel;
  const outputWidth = at.outputWidth;
  for (let r = from; r < to; r++) {
    const first = r * at.stride - at.top;
    const d0 = rowStep(at, first);
    const d1 = rowStep(at, first + 1);
    const d2 = rowStep(at, first + 2);
    let p0 = rowStart(at, first);
    let p1 = rowStart(at, first + 1);
    let p2 = rowStart(at, first + 2);
    let gradient = at.output + <usize>r * at.outputRow;
    // Gradient of the output before, which reads the next column through its last tap.
    let g2 = f32x4.splat(0);
    let j = 0;
    if (at.left == 1) {
      // The first output's first tap lies outside.
      g2 = v128.load(gradient);
      s01 = madd(v128.load(p0), g2, s01);
      s11 = madd(v128.load(p1), g2, s11);
      s21 = madd(v128.load(p2), g2, s21);
      gradient += pixel;
      p0 += d0;
      p1 += d1;
      p2 += d2;
      j = 1;
    }
    for (; j < outputWidth; j++) {
      const g = v128.load(gradient);
      const x0 = v128.load(p0);
      const x1 = v128.load(p1);
      const x2 = v128.load(p2);
      s00 = madd(x0, g, s00);
      s02 = madd(x0, g2, s02);
      s10 = madd(x1, g, s10);
      s12 = madd(x1, g2, s12);
      s20 = madd(x2, g, s20);
      s22 = madd(x2, g2, s22);
      s01 = madd(v128.load(p0 + d0), g, s01);
      s11 = madd(v128.load(p1 + d1), g, s11);
      s21 = madd(v128.load(p2 + d2), g, s21);
      g2 = g;
      gradient += pixel;
      p0 += 2 * d0;
      p1 += 2 * d1;
      p2 += 2 * d2;
    }
    if (2 * outputWidth - at.left < at.width) {
      s02 = madd(v128.load(p0), g2, s02);
      s12 = madd(v128.load(p1), g2, s12);
      s22 = madd(v128.load(p2), g2, s22);
    }
  }
  addSums(at, s00, s01, s02, s10, s11, s12, s20, s21, s22);
}

// @ts-expect-error: decorator
@inline
function addSums(
  at: Window, s00: v128, s01: v128, s02: v128, s10: v128, s11: v128, s12: v128, s20: v128, s21: v128, s22: v128,
): void {
  const across = at.filterColumn;
  const repeated = firstLanes(at.repeated);
  let tap = at.filter;
  addSum(tap, s00, repeated);
  addSum(tap + across, s01, repeated);
  addSum(tap + 2 * across, s02, repeated);
  tap += at.filterRow;
  addSum(tap, s10, repeated);
  addSum(tap + across, s11, repeated);
  addSum(tap + 2 * across, s12, repeated);
  tap += at.filterRow;
  addSum(tap, s20, repeated);
  addSum(tap + across, s21, repeated);
  addSum(tap + 2 * across, s22, repeated);
}

// @ts-expect-error: decorator
@inline
function addSum(at: usize, sum: v128, repeated: v128): void {
  v128.store(at, f32x4.add(v128.load(at), v128.andnot(sum, repeated)));
}
