/**
 * Register tiles of the gradient of 3×3 depthwise convolution by its input, stride 2 both ways, left 0 or 1. (At
 * stride 1 it is a convolution itself.)
 *
 * `input` is the outputs' gradient g here, `output` the gradient sought, top and left its padding. Its padded rows 2m
 * and 2m + 1 come together: the even one is read through the taps' first row by row m of the outputs and through
 * their last by row m − 1, the odd one through their middle by row m. Columns likewise.
 */
import { outputRowStart, outputRowStep, rowStart, rowStep, Window } from "./depthwise3x3Window";
import { madd } from "../madd";

/** Pairs of rows [from, to), counted in the padded gradient. */
export function spreadByTwo(at: Window, from: i32, to: i32): void {
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
  const left = at.left;
  const columns = at.outputWidth + left;
  for (let m = from; m < to; m++) {
    const sg = rowStep(at, m);
    const sa = rowStep(at, m - 1);
    let pg = rowStart(at, m);
    let pa = rowStart(at, m - 1);
    const even = 2 * m - at.top;
    const se = outputRowStep(at, even);
    const so = outputRowStep(at, even + 1);
    let pe = outputRowStart(at, even);
    let po = outputRowStart(at, even + 1);
    // What the output before adds to the next column, in either row.
    let carriedEven = f32x4.splat(0);
    let carriedOdd = f32x4.splat(0);
    let j = 0;
    if (left == 1) {
      // Of the first pair of columns, the even one is padding.
      const g = v128.load(pg);
      const above = v128.load(pa);
      v128.store(pe, madd(above, w21, f32x4.mul(g, w01)));
      v128.store(po, f32x4.mul(g, w11));
      carriedEven = madd(above, w22, f32x4.mul(g, w02));
      carriedOdd = f32x4.mul(g, w12);
      pg += sg;
      pa += sa;
      pe += se;
      po += so;
      j = 1;
    }
    for (const end = columns >> 1; j < end; j++) {
      const g = v128.load(pg);
      const above = v128.load(pa);
      v128.store(pe, madd(above, w20, madd(g, w00, carriedEven)));
      v128.store(pe + se, madd(above, w21, f32x4.mul(g, w01)));
      v128.store(po, madd(g, w10, carriedOdd));
      v128.store(po + so, f32x4.mul(g, w11));
      carriedEven = madd(above, w22, f32x4.mul(g, w02));
      carriedOdd = f32x4.mul(g, w12);
      pg += sg;
      pa += sa;
      pe += 2 * se;
      po += 2 * so;
    }
    if (columns & 1) {
      if (j < at.width) {
        const g = v128.load(pg);
        carriedEven = madd(v128.load(pa), w20, madd(g, w00, carriedEven));
        carriedOdd = madd(g, w10, carriedOdd);
      }
      v128.store(pe, carriedEven);
      v128.store(po, carriedOdd);
    }
  }
}
