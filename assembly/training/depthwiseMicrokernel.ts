/** Register tiles of depthwise convolution: all channels of one or four pixels, four channels a vector. */
import { madd } from "../madd";
import { loadTail, storeTail } from "./tail";

/** Taps of a filter: where a pixel's inputs lie, and where their weights. Strides in bytes; they wrap around. */
@unmanaged
export class Taps {
  rows: i32;
  columns: i32;
  /** From a tap to the next one down and across, in the input. */
  inputRow: usize;
  inputColumn: usize;
  /** The same in the filter; negative where the filter is rotated. */
  filterRow: usize;
  filterColumn: usize;
  /** A use for what is read only to be near, so that no compiler leaves the reading out. */
  touched: i32;
}

export const TAPS_BYTES: usize = 32;

/**
 * out[c] = Σ over taps of a[tap, c] · w[tap, c] for one pixel.
 *
 * @param bytes of a pixel's channels; if not a multiple of 16, the last vector overlaps the one before it
 */
export function onePixel(a: usize, taps: Taps, w: usize, out: usize, bytes: usize): void {
  if (bytes < 16) {
    fewChannels(a, taps, w, out, <i32>(bytes >> 2));
    return;
  }
  const rows = taps.rows;
  const columns = taps.columns;
  for (let from: usize = 0; from < bytes; from += 16) {
    const at = min(from, bytes - 16);
    let sum = f32x4.splat(0);
    let row = a + at;
    let weights = w + at;
    for (let i = rows; i > 0; i--) {
      let x = row;
      let weight = weights;
      for (let j = columns; j > 0; j--) {
        sum = madd(v128.load(x), v128.load(weight), sum);
        x += taps.inputColumn;
        weight += taps.filterColumn;
      }
      row += taps.inputRow;
      weights += taps.filterRow;
    }
    v128.store(out + at, sum);
  }
}

/** One to three channels. */
function fewChannels(a: usize, taps: Taps, w: usize, out: usize, channels: i32): void {
  let sum = f32x4.splat(0);
  for (let i: usize = 0; i < <usize>taps.rows; i++) {
    for (let j: usize = 0; j < <usize>taps.columns; j++) {
      const x = loadTail(a + i * taps.inputRow + j * taps.inputColumn, channels);
      sum = madd(x, loadTail(w + i * taps.filterRow + j * taps.filterColumn, channels), sum);
    }
  }
  storeTail(out, sum, channels);
}

/** As `onePixel` for four pixels, whose inputs lie `aPixel` bytes apart, and `bytes` ≥ 16. */
export function fourPixels(a: usize, aPixel: usize, taps: Taps, w: usize, out: usize, outPixel: usize, bytes: usize): void {
  if (taps.columns == 3 && taps.inputColumn == aPixel) {
    fourSliding(a, aPixel, taps, w, out, outPixel, bytes);
    return;
  }
  const rows = taps.rows;
  const columns = taps.columns;
  const inputColumn = taps.inputColumn;
  const filterColumn = taps.filterColumn;
  for (let from: usize = 0; from < bytes; from += 16) {
    const offset = min(from, bytes - 16);
    let s0 = f32x4.splat(0);
    let s1 = f32x4.splat(0);
    let s2 = f32x4.splat(0);
    let s3 = f32x4.splat(0);
    let row = a + offset;
    let weights = w + offset;
    for (let i = rows; i > 0; i--) {
      let x = row;
      let weight = weights;
      for (let j = columns; j > 0; j--) {
        const value = v128.load(weight);
        let at = x;
        s0 = madd(v128.load(at), value, s0);
        at += aPixel;
        s1 = madd(v128.load(at), value, s1);
        at += aPixel;
        s2 = madd(v128.load(at), value, s2);
        at += aPixel;
        s3 = madd(v128.load(at), value, s3);
        x += inputColumn;
        weight += filterColumn;
      }
      row += taps.inputRow;
      weights += taps.filterRow;
    }
    storeFour(out + offset, outPixel, s0, s1, s2, s3);
  }
}

/** Three taps across, as far apart as the pixels: six inputs serve twelve products. */
function fourSliding(a: usize, aPixel: usize, taps: Taps, w: usize, out: usize, outPixel: usize, bytes: usize): void {
  const rows = taps.rows;
  const inputRow = taps.inputRow;
  const filterRow = taps.filterRow;
  const filterColumn = taps.filterColumn;
  for (let from: usize = 0; from < bytes; from += 16) {
    const offset = min(from, bytes - 16);
    let s0 = f32x4.splat(0);
    let s1 = f32x4.splat(0);
    let s2 = f32x4.splat(0);
    let s3 = f32x4.splat(0);
    let row = a + offset;
    let weights = w + offset;
    for (let i = rows; i > 0; i--) {
      const w0 = v128.load(weights);
      const w1 = v128.load(weights + filterColumn);
      const w2 = v128.load(weights + 2 * filterColumn);
      let at = row;
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
      s3 = madd(v128.load(at + aPixel), w2, s3);
      row += inputRow;
      weights += filterRow;
    }
    storeFour(out + offset, outPixel, s0, s1, s2, s3);
  }
}

// @ts-expect-error: decorator
@inline
function storeFour(out: usize, outPixel: usize, s0: v128, s1: v128, s2: v128, s3: v128): void {
  v128.store(out, s0);
  out += outPixel;
  v128.store(out, s1);
  out += outPixel;
  v128.store(out, s2);
  v128.store(out + outPixel, s3);
}
