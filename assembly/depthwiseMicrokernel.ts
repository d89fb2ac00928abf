/** Register tiles of depthwise convolution: one vector of four channels, several pixels of a row. */
import { madd } from "./madd";
import { storeTail } from "./tail";

/** Taps of a filter: where a pixel's inputs lie and where their weights. Strides in bytes. */
@unmanaged
export class Taps {
  rows: i32;
  columns: i32;
  /** From a tap to the next one down and across, in the input. */
  inputRow: usize;
  inputColumn: usize;
  /** The same in the filter; wraps around where the filter is rotated. */
  filterRow: usize;
  filterColumn: usize;
}

export const TAPS_BYTES: usize = 32;

/**
 * out[p] = Σ over taps of a[p + tap] · w[tap] for `pixels` pixels of one vector of channels.
 *
 * @param aPixel bytes from the first input of a pixel to that of the next
 * @param lanes channels to store, 1 to 4
 */
export function depthwiseRow(
  a: usize, aPixel: usize, taps: Taps, w: usize, out: usize, outPixel: usize, pixels: i32, lanes: i32,
): void {
  if (lanes < 4 || pixels < 4) {
    for (let p = 0; p < pixels; p++) {
      const sum = onePixel(a, taps, w);
      if (lanes < 4) storeTail(out, sum, lanes);
      else v128.store(out, sum);
      a += aPixel;
      out += outPixel;
    }
    return;
  }
  const isSliding = taps.columns == 3 && taps.inputColumn == aPixel;
  for (let p = 0; p < pixels; p += 4) {
    // The last four overlap those before them rather than leaving a tail.
    const at = <usize>min(p, pixels - 4);
    if (isSliding) fourSliding(a + at * aPixel, aPixel, taps, w, out + at * outPixel, outPixel);
    else fourPixels(a + at * aPixel, aPixel, taps, w, out + at * outPixel, outPixel);
  }
}

function onePixel(a: usize, taps: Taps, w: usize): v128 {
  let sum = f32x4.splat(0);
  for (let i = 0; i < taps.rows; i++) {
    let x = a;
    let weight = w;
    for (let j = 0; j < taps.columns; j++) {
      sum = madd(v128.load(x), v128.load(weight), sum);
      x += taps.inputColumn;
      weight += taps.filterColumn;
    }
    a += taps.inputRow;
    w += taps.filterRow;
  }
  return sum;
}

// @ts-expect-error: decorator
@inline
function fourPixels(a: usize, aPixel: usize, taps: Taps, w: usize, out: usize, outPixel: usize): void {
  let s0 = f32x4.splat(0);
  let s1 = f32x4.splat(0);
  let s2 = f32x4.splat(0);
  let s3 = f32x4.splat(0);
  for (let i = taps.rows; i > 0; i--) {
    let x = a;
    let weight = w;
    for (let j = taps.columns; j > 0; j--) {
      const value = v128.load(weight);
      let at = x;
      s0 = madd(v128.load(at), value, s0);
      at += aPixel;
      s1 = madd(v128.load(at), value, s1);
      at += aPixel;
      s2 = madd(v128.load(at), value, s2);
      at += aPixel;
      s3 = madd(v128.load(at), value, s3);
      x += taps.inputColumn;
      weight += taps.filterColumn;
    }
    a += taps.inputRow;
    w += taps.filterRow;
  }
  v128.store(out, s0);
  v128.store(out + outPixel, s1);
  v128.store(out + 2 * outPixel, s2);
  v128.store(out + 3 * outPixel, s3);
}

/** Three taps across, as far apart as the pixels: six inputs serve twelve products. */
// @ts-expect-error: decorator
@inline
function fourSliding(a: usize, aPixel: usize, taps: Taps, w: usize, out: usize, outPixel: usize): void {
  let s0 = f32x4.splat(0);
  let s1 = f32x4.splat(0);
  let s2 = f32x4.splat(0);
  let s3 = f32x4.splat(0);
  for (let i = taps.rows; i > 0; i--) {
    const w0 = v128.load(w);
    const w1 = v128.load(w + taps.filterColumn);
    const w2 = v128.load(w + 2 * taps.filterColumn);
    let at = a;
    let x = v128.load(at);
    s0 = madd(x, w0, s0);
    at += aPixel;
    x = v128.load(at);
    s0 = madd(x, w1, s0);
    s1 = madd(x, w0, s1);
    at += aPixel;
    x = v128.load(at);
    s0 = madd(x, w2, s0);
    s1 = madd(x, w1, s1);
    s2 = madd(x, w0, s2);
    at += aPixel;
    x = v128.load(at);
    s1 = madd(x, w2, s1);
    s2 = madd(x, w1, s2);
    s3 = madd(x, w0, s3);
    at += aPixel;
    x = v128.load(at);
    s2 = madd(x, w2, s2);
    s3 = madd(x, w1, s3);
    at += aPixel;
    s3 = madd(v128.load(at), w2, s3);
    a += taps.inputRow;
    w += taps.filterRow;
  }
  v128.store(out, s0);
  v128.store(out + outPixel, s1);
  v128.store(out + 2 * outPixel, s2);
  v128.store(out + 3 * outPixel, s3);
}

/** Σ over `pixels` pixels of a row of x · dy, added to `sum`: one tap, one vector of channels. */
// @ts-expect-error: decorator
@inline
export function tapProduct(x: usize, xPixel: usize, dy: usize, dyPixel: usize, pixels: i32, sum: v128): v128 {
  let other = f32x4.splat(0);
  let p = pixels;
  for (; p > 1; p -= 2) {
    sum = madd(v128.load(x), v128.load(dy), sum);
    other = madd(v128.load(x + xPixel), v128.load(dy + dyPixel), other);
    x += 2 * xPixel;
    dy += 2 * dyPixel;
  }
  if (p > 0) sum = madd(v128.load(x), v128.load(dy), sum);
  return f32x4.add(sum, other);
}
