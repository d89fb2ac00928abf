/**
 * Register tiles of the gradient by a depthwise filter: what one or four pixels add to it, all channels, four
 * channels a vector. The counterpart of `depthwiseMicrokernel.ts`, with the same walk over taps.
 */
import { Taps } from "./depthwiseMicrokernel";
import { madd } from "../madd";
import { firstLanes, loadTail, storeTail } from "./tail";

/**
 * sums[tap, c] += a[tap, c] · dy[c] for one pixel and all taps.
 *
 * @param bytes of a pixel's channels; if not a multiple of 16, the last vector overlaps the one before it, and adds
 * nothing to the channels that they share
 */
export function onePixelProducts(a: usize, taps: Taps, sums: usize, dy: usize, bytes: usize): void {
  if (bytes < 16) {
    fewChannels(a, taps, sums, dy, <i32>(bytes >> 2));
    return;
  }
  const rows = taps.rows;
  const columns = taps.columns;
  for (let from: usize = 0; from < bytes; from += 16) {
    const offset = min(from, bytes - 16);
    const gradient = v128.andnot(v128.load(dy + offset), firstLanes(<i32>(from - offset) >> 2));
    let row = a + offset;
    let sumRow = sums + offset;
    for (let i = rows; i > 0; i--) {
      let x = row;
      let sum = sumRow;
      for (let j = columns; j > 0; j--) {
        v128.store(sum, madd(v128.load(x), gradient, v128.load(sum)));
        x += taps.inputColumn;
        sum += taps.filterColumn;
      }
      row += taps.inputRow;
      sumRow += taps.filterRow;
    }
  }
}

/** One to three channels. */
function fewChannels(a: usize, taps: Taps, sums: usize, dy: usize, channels: i32): void {
  const gradient = loadTail(dy, channels);
  for (let i: usize = 0; i < <usize>taps.rows; i++) {
    for (let j: usize = 0; j < <usize>taps.columns; j++) {
      const x = loadTail(a + i * taps.inputRow + j * taps.inputColumn, channels);
      const sum = sums + i * taps.filterRow + j * taps.filterColumn;
      storeTail(sum, madd(x, gradient, loadTail(sum, channels)), channels);
    }
  }
}

/** As `onePixelProducts` for four pixels, whose inputs lie `aPixel` bytes apart, and `bytes` ≥ 16. */
export function fourPixelsProducts(
  a: usize, aPixel: usize, taps: Taps, sums: usize, dy: usize, dyPixel: usize, bytes: usize,
): void {
  const rows = taps.rows;
  const inputRow = taps.inputRow;
  const sumRow = taps.filterRow;
  const sumColumn = taps.filterColumn;
  const isSliding = taps.columns == 3 && taps.inputColumn == aPixel;
  for (let from: usize = 0; from < bytes; from += 16) {
    const offset = min(from, bytes - 16);
    const repeated = firstLanes(<i32>(from - offset) >> 2);
    let gradient = dy + offset;
    const g0 = v128.andnot(v128.load(gradient), repeated);
    gradient += dyPixel;
    const g1 = v128.andnot(v128.load(gradient), repeated);
    gradient += dyPixel;
    const g2 = v128.andnot(v128.load(gradient), repeated);
    const g3 = v128.andnot(v128.load(gradient + dyPixel), repeated);
    let row = a + offset;
    let sum = sums + offset;
    if (isSliding) {
      for (let i = rows; i > 0; i--) {
        slidingRow(row, aPixel, sum, sumColumn, g0, g1, g2, g3);
        row += inputRow;
        sum += sumRow;
      }
    } else {
      for (let i = rows; i > 0; i--) {
        anyRow(row, aPixel, taps, sum, g0, g1, g2, g3);
        row += inputRow;
        sum += sumRow;
      }
    }
  }
}

/** Three taps across, as far apart as the pixels: six inputs serve twelve products. */
// @ts-expect-error: decorator
@inline
function slidingRow(
  x: usize, aPixel: usize, sum: usize, sumColumn: usize, g0: v128, g1: v128, g2: v128, g3: v128,
): void {
  let s0 = v128.load(sum);
  let s1 = v128.load(sum + sumColumn);
  let s2 = v128.load(sum + 2 * sumColumn);
  let value = v128.load(x);
  s0 = madd(value, g0, s0);
  x += aPixel;
  value = v128.load(x);
  s0 = madd(value, g1, s0);
  s1 = madd(value, g0, s1);
  x += aPixel;
  value = v128.load(x);
  s0 = madd(value, g2, s0);
  s1 = madd(value, g1, s1);
  s2 = madd(value, g0, s2);
  x += aPixel;
  value = v128.load(x);
  s0 = madd(value, g3, s0);
  s1 = madd(value, g2, s1);
  s2 = madd(value, g1, s2);
  x += aPixel;
  value = v128.load(x);
  s1 = madd(value, g3, s1);
  s2 = madd(value, g2, s2);
  s2 = madd(v128.load(x + aPixel), g3, s2);
  v128.store(sum, s0);
  v128.store(sum + sumColumn, s1);
  v128.store(sum + 2 * sumColumn, s2);
}

// @ts-expect-error: decorator
@inline
function anyRow(
  x: usize, aPixel: usize, taps: Taps, sum: usize, g0: v128, g1: v128, g2: v128, g3: v128,
): void {
  const inputColumn = taps.inputColumn;
  const sumColumn = taps.filterColumn;
  for (let j = taps.columns; j > 0; j--) {
    let at = x;
    let s = madd(v128.load(at), g0, v128.load(sum));
    at += aPixel;
    s = madd(v128.load(at), g1, s);
    at += aPixel;
    s = madd(v128.load(at), g2, s);
    v128.store(sum, madd(v128.load(at + aPixel), g3, s));
    x += inputColumn;
    sum += sumColumn;
  }
}
