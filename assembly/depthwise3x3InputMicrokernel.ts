/**
 * Register tiles of the gradient of 3×3 depthwise convolution by its input, stride 2 both ways, left 0 or 1. (At
 * stride 1 it is a convolution itself.)
 *
 * In the padded image an even row is read through the taps' first and last row, an odd one through the middle row;
 * columns likewise. `input` is the outputs' gradient here, `output` the gradient sought, top and left its padding.
 */
import { rowStart, rowStep, Window } from "./depthwise3x3Window";
import { madd } from "./madd";

/** Rows [from, to) of the gradient. */
export function spreadByTwo(at: Window, from: i32, to: i32): void {
  for (let r = from; r < to; r++) {
    const padded = r + at.top;
    const row = padded >> 1;
    if (padded & 1) spreadOneRow(at, r, row);
    else spreadTwoRows(at, r, row);
  }
}

/** Row `r` of the gradient, from row `row` of the outputs' gradient through the middle row of taps. */
function spreadOneRow(at: Window, r: i32, row: i32): void {
  const taps = at.filter + at.filterRow;
  const w0 = v128.load(taps);
  const w1 = v128.load(taps + at.filterColumn);
  const w2 = v128.load(taps + 2 * at.filterColumn);
  const pixel = at.pixel;
  const step = rowStep(at, row);
  let p = rowStart(at, row);
  let out = at.output + <usize>r * at.outputRow;
  let carried = f32x4.splat(0);
  let from = 0;
  if (at.left == 1) {
    const g = v128.load(p);
    v128.store(out, f32x4.mul(g, w1));
    carried = f32x4.mul(g, w2);
    p += step;
    out += pixel;
    from = 1;
  }
  const end = (at.outputWidth + at.left) >> 1;
  for (let j = from; j < end; j++) {
    const g = v128.load(p);
    v128.store(out, madd(g, w0, carried));
    v128.store(out + pixel, f32x4.mul(g, w1));
    carried = f32x4.mul(g, w2);
    p += step;
    out += 2 * pixel;
  }
  if ((at.outputWidth + at.left) & 1) {
    if (end < at.width) carried = madd(v128.load(p), w0, carried);
    v128.store(out, carried);
  }
}

/** Row `r` of the gradient, from row `row` of the outputs' gradient and the one above. */
function spreadTwoRows(at: Window, r: i32, row: i32): void {
  const taps = at.filter;
  const w00 = v128.load(taps);
  const w01 = v128.load(taps + at.filterColumn);
  const w02 = v128.load(taps + 2 * at.filterColumn);
  const last = taps + 2 * at.filterRow;
  const w20 = v128.load(last);
  const w21 = v128.load(last + at.filterColumn);
  const w22 = v128.load(last + 2 * at.filterColumn);
  const pixel = at.pixel;
  const s0 = rowStep(at, row);
  const s1 = rowStep(at, row - 1);
  let p0 = rowStart(at, row);
  let p1 = rowStart(at, row - 1);
  let out = at.output + <usize>r * at.outputRow;
  let carried = f32x4.splat(0);
  let from = 0;
  if (at.left == 1) {
    const g0 = v128.load(p0);
    const g1 = v128.load(p1);
    v128.store(out, madd(g1, w21, f32x4.mul(g0, w01)));
    carried = madd(g1, w22, f32x4.mul(g0, w02));
    p0 += s0;
    p1 += s1;
    out += pixel;
    from = 1;
  }
  const end = (at.outputWidth + at.left) >> 1;
  for (let j = from; j < end; j++) {
    const g0 = v128.load(p0);
    const g1 = v128.load(p1);
    v128.store(out, madd(g1, w20, madd(g0, w00, carried)));
    v128.store(out + pixel, madd(g1, w21, f32x4.mul(g0, w01)));
    carried = madd(g1, w22, f32x4.mul(g0, w02));
    p0 += s0;
    p1 += s1;
    out += 2 * pixel;
  }
  if ((at.outputWidth + at.left) & 1) {
    if (end < at.width) carried = madd(v128.load(p1), w20, madd(v128.load(p0), w00, carried));
    v128.store(out, carried);
  }
}
