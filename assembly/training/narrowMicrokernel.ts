/**
 * Register tiles for products with one to three columns, which the images' channels make: a tile of eight columns
 * would do most of its work on zeros. Nine accumulators each, and six loads for nine products.
 */
import { Walk } from "./microkernel";
import { madd } from "../madd";

/** Columns of a narrow tile. */
export const NARROW_COLUMNS: i32 = 3;

/**
 * c_i[j] = Σ_k a_i[walk(k)] · b[k, j] for i < 3, j < 3, vectors along k; stored to columns j < `columns`.
 *
 * @param walk of runs that are multiples of four, with a step of 4
 * @param b packed [K/4][3][4]: four k of column 0, four of column 1, four of column 2, …
 */
export function dotTile3x3(
  a0: usize, a1: usize, a2: usize, walk: Walk, b: usize, c0: usize, c1: usize, c2: usize, columns: i32,
): void {
  let s00 = f32x4.splat(0);
  let s01 = f32x4.splat(0);
  let s02 = f32x4.splat(0);
  let s10 = f32x4.splat(0);
  let s11 = f32x4.splat(0);
  let s12 = f32x4.splat(0);
  let s20 = f32x4.splat(0);
  let s21 = f32x4.splat(0);
  let s22 = f32x4.splat(0);
  const run = walk.run;
  const inner = walk.inner;
  const innerSkip = walk.innerStride - <usize>run * 4;
  const outerSkip = walk.outerStride - <usize>inner * walk.innerStride;
  for (let o = walk.outer; o > 0; o--) {
    for (let i = inner; i > 0; i--) {
      for (let k = run; k > 0; k -= 4) {
        const x0 = v128.load(a0);
        const x1 = v128.load(a1);
        const x2 = v128.load(a2);
        let w = v128.load(b);
        s00 = madd(x0, w, s00);
        s10 = madd(x1, w, s10);
        s20 = madd(x2, w, s20);
        w = v128.load(b, 16);
        s01 = madd(x0, w, s01);
        s11 = madd(x1, w, s11);
        s21 = madd(x2, w, s21);
        w = v128.load(b, 32);
        s02 = madd(x0, w, s02);
        s12 = madd(x1, w, s12);
        s22 = madd(x2, w, s22);
        a0 += 16;
        a1 += 16;
        a2 += 16;
        b += 48;
      }
      a0 += innerSkip;
      a1 += innerSkip;
      a2 += innerSkip;
    }
    a0 += outerSkip;
    a1 += outerSkip;
    a2 += outerSkip;
  }
  storeColumns(c0, sumLanes(s00, s01, s02), columns);
  storeColumns(c1, sumLanes(s10, s11, s12), columns);
  storeColumns(c2, sumLanes(s20, s21, s22), columns);
}

/** [Σ lanes of x, Σ lanes of y, Σ lanes of z, –] */
// @ts-expect-error: decorator
@inline
function sumLanes(x: v128, y: v128, z: v128): v128 {
  const xy = f32x4.add(i64x2.shuffle(x, y, 0, 2), i64x2.shuffle(x, y, 1, 3));
  const zz = f32x4.add(z, i64x2.shuffle(z, z, 1, 0));
  return f32x4.add(i32x4.shuffle(xy, zz, 0, 2, 4, 6), i32x4.shuffle(xy, zz, 1, 3, 5, 7));
}

// @ts-expect-error: decorator
@inline
function storeColumns(c: usize, sums: v128, columns: i32): void {
  v128.store32_lane(c, sums, 0);
  if (columns > 1) v128.store32_lane(c, sums, 1, 4);
  if (columns > 2) v128.store32_lane(c, sums, 2, 8);
}

/**
 * c[j][i] = Σ_k x[walk(k) + i] · dy_j[k] for i < 12, j < 3: k over pixels, vectors along the 12 contiguous floats
 * of x at a pixel.
 *
 * @param dy0,dy1,dy2 where the three columns start; `dyStep` bytes from one pixel's to the next's
 * @param c three rows of 12 floats
 */
export function outerTile12x3(
  x: usize, walk: Walk, dy0: usize, dy1: usize, dy2: usize, dyStep: usize, c: usize,
): void {
  let s00 = f32x4.splat(0);
  let s01 = f32x4.splat(0);
  let s02 = f32x4.splat(0);
  let s10 = f32x4.splat(0);
  let s11 = f32x4.splat(0);
  let s12 = f32x4.splat(0);
  let s20 = f32x4.splat(0);
  let s21 = f32x4.splat(0);
  let s22 = f32x4.splat(0);
  const run = walk.run;
  const step = walk.step;
  const inner = walk.inner;
  const innerSkip = walk.innerStride - <usize>run * step;
  const outerSkip = walk.outerStride - <usize>inner * walk.innerStride;
  for (let o = walk.outer; o > 0; o--) {
    for (let i = inner; i > 0; i--) {
      for (let k = run; k > 0; k--) {
        const d0 = v128.load32_splat(dy0);
        const d1 = v128.load32_splat(dy1);
        const d2 = v128.load32_splat(dy2);
        let value = v128.load(x);
        s00 = madd(value, d0, s00);
        s10 = madd(value, d1, s10);
        s20 = madd(value, d2, s20);
        value = v128.load(x, 16);
        s01 = madd(value, d0, s01);
        s11 = madd(value, d1, s11);
        s21 = madd(value, d2, s21);
        value = v128.load(x, 32);
        s02 = madd(value, d0, s02);
        s12 = madd(value, d1, s12);
        s22 = madd(value, d2, s22);
        x += step;
        dy0 += dyStep;
        dy1 += dyStep;
        dy2 += dyStep;
      }
      x += innerSkip;
    }
    x += outerSkip;
  }
  v128.store(c, s00);
  v128.store(c, s01, 16);
  v128.store(c, s02, 32);
  v128.store(c, s10, 48);
  v128.store(c, s11, 64);
  v128.store(c, s12, 80);
  v128.store(c, s20, 96);
  v128.store(c, s21, 112);
  v128.store(c, s22, 128);
}
