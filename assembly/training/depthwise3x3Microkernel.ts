/**
 * Register tiles of 3×3 depthwise convolution: four channels of whole rows, the nine taps in registers. A column of
 * the input is read once a row of outputs: what it adds to outputs that later columns complete travels along.
 *
 * Loops take one column a round: unrolled, V8 puts off what later rounds need and runs out of registers.
 */
import { rowStart, rowStep, Window } from "./depthwise3x3Window";
import { madd } from "../madd";

/** Rows [from, to) of outputs, stride 1 across, 0 ≤ left ≤ 2. */
export function slideByOne(at: Window, from: i32, to: i32): void {
  const filter = at.filter;
  const down = at.filterRow;
  const across = at.filterColumn;
  const w00 = v128.load(filter);
  const w01 = v128.load(filter + across);
  const w02 = v128.load(filter + 2 * across);
  const w10 = v128.load(filter + down);
  const w11 = v128.load(filter + down + across);
  const w12 = v128.load(filter + down + 2 * across);
  const w20 = v128.load(filter + 2 * down);
  const w21 = v128.load(filter + 2 * down + across);
  const w22 = v128.load(filter + 2 * down + 2 * across);
  const pixel = at.pixel;
  const width = at.width;
  const outputWidth = at.outputWidth;
  // Columns before the one that completes the first output; the last column that completes one.
  const before = 2 - at.left;
  const end = min(width, outputWidth + before);
  for (let r = from; r < to; r++) {
    const first = r * at.stride - at.top;
    const s0 = rowStep(at, first);
    const s1 = rowStep(at, first + 1);
    const s2 = rowStep(at, first + 2);
    let p0 = rowStart(at, first);
    let p1 = rowStart(at, first + 1);
    let p2 = rowStart(at, first + 2);
    let out = at.output + <usize>r * at.outputRow;
    // So far of the output that the next column completes, and of the one after.
    let next = f32x4.splat(0);
    let later = f32x4.splat(0);
    let j = 0;
    for (; j < before; j++) {
      next = later;
      later = f32x4.splat(0);
      if (j >= width) continue;
      const x0 = v128.load(p0);
      const x1 = v128.load(p1);
      const x2 = v128.load(p2);
      next = madd(x2, w21, madd(x1, w11, madd(x0, w01, next)));
      later = madd(x2, w20, madd(x1, w10, f32x4.mul(x0, w00)));
      p0 += s0;
      p1 += s1;
      p2 += s2;
    }
    for (; j < end; j++) {
      const x0 = v128.load(p0);
      const x1 = v128.load(p1);
      const x2 = v128.load(p2);
      v128.store(out, madd(x2, w22, madd(x1, w12, madd(x0, w02, next))));
      next = madd(x2, w21, madd(x1, w11, madd(x0, w01, later)));
      later = madd(x2, w20, madd(x1, w10, f32x4.mul(x0, w00)));
      p0 += s0;
      p1 += s1;
      p2 += s2;
      out += pixel;
    }
    for (; j < outputWidth + before; j++) {
      v128.store(out, next);
      next = later;
      later = f32x4.splat(0);
      out += pixel;
    }
  }
}

/** Rows [from, to) of outputs, stride 2 across, left 0 or 1, and at most one column of padding behind the input. */
export function slideByTwo(at: Window, from: i32, to: i32): void {
  const filter = at.filter;
  const down = at.filterRow;
  const across = at.filterColumn;
  const w00 = v128.load(filter);
  const w01 = v128.load(filter + across);
  const w02 = v128.load(filter + 2 * across);
  const w10 = v128.load(filter + down);
  const w11 = v128.load(filter + down + across);
  const w12 = v128.load(filter + down + 2 * across);
  const w20 = v128.load(filter + 2 * down);
  const w21 = v128.load(filter + 2 * down + across);
  const w22 = v128.load(filter + 2 * down + 2 * across);
  const pixel = at.pixel;
  const outputWidth = at.outputWidth;
  const complete = min(outputWidth, (at.width - 1 + at.left) >> 1);
  for (let r = from; r < to; r++) {
    const first = r * at.stride - at.top;
    const s0 = rowStep(at, first);
    const s1 = rowStep(at, first + 1);
    const s2 = rowStep(at, first + 2);
    let p0 = rowStart(at, first);
    let p1 = rowStart(at, first + 1);
    let p2 = rowStart(at, first + 2);
    let out = at.output + <usize>r * at.outputRow;
    // So far of the next output: its left column, shared with the output before.
    let next = f32x4.splat(0);
    if (at.left == 0) {
      next = madd(v128.load(p2), w20, madd(v128.load(p1), w10, f32x4.mul(v128.load(p0), w00)));
      p0 += s0;
      p1 += s1;
      p2 += s2;
    }
    let j = 0;
    for (; j < complete; j++) {
      next = madd(v128.load(p0), w01, next);
      next = madd(v128.load(p1), w11, next);
      next = madd(v128.load(p2), w21, next);
      p0 += s0;
      p1 += s1;
      p2 += s2;
      const x0 = v128.load(p0);
      const x1 = v128.load(p1);
      const x2 = v128.load(p2);
      v128.store(out, madd(x2, w22, madd(x1, w12, madd(x0, w02, next))));
      next = madd(x2, w20, madd(x1, w10, f32x4.mul(x0, w00)));
      p0 += s0;
      p1 += s1;
      p2 += s2;
      out += pixel;
    }
    if (j < outputWidth) {
      next = madd(v128.load(p0), w01, next);
      next = madd(v128.load(p1), w11, next);
      v128.store(out, madd(v128.load(p2), w21, next));
    }
  }
}
