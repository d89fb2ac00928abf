/**
 * Reductions over rows for parameter gradients: BatchNorm's, a scale's and a bias's.
 *
 * Sums run in f32 lanes over BLOCK_ROWS virtual rows, then in f64.
 */
import {
  activationGradient,
  CLIP,
  Clip,
  Curved,
  LEAKY_RELU,
  LeakyRelu,
  NONE,
  None,
  RELU,
  Relu,
  secondParameter,
} from "./activation";
import { BLOCK_ROWS, channelPeriod, clearTable, fillTable, flushSums, foldSums } from "./channels";
import { madd } from "../madd";
import { Size0, Size16, Size32, Size48 } from "./sizes";
import { loadTail } from "./tail";

/**
 * weighted[g, c] = Σ dz·(x − center[c]) and plain[g, c] = Σ dz over the rows, dz = dy·act′(scale·x + shift).
 *
 * x, dy: [groups, rows, C]; scale, shift, center: [groups, C] or absent (0: 1, 0, 0).
 * `scratch`: 9·channelPeriod(C) floats.
 */
export function scaleShiftSums(
  x: usize,
  dy: usize,
  scale: usize,
  shift: usize,
  center: usize,
  groups: i32,
  rows: i32,
  channels: i32,
  kind: i32,
  p0: f32,
  p1: f32,
  weighted: usize,
  plain: usize,
  scratch: usize,
): void {
  const period = channelPeriod(channels);
  const row = <usize>period << 2;
  const count = rows * channels;
  const a = f32x4.splat(p0);
  const b = secondParameter(kind, p0, p1);
  const totals = scratch + TOTALS * row;
  for (let group = 0; group < groups; group++) {
    const at = <usize>(group * channels) << 2;
    const begin = (<usize>group * <usize>count) << 2;
    clearTable(scratch + WEIGHTED * row, 2 * period);
    clearTable(totals, 4 * period);
    fillTable(scratch + SCALE * row, scale ? scale + at : 0, 1, channels, period);
    fillTable(scratch + SHIFT * row, shift ? shift + at : 0, 0, channels, period);
    fillTable(scratch + CENTER * row, center ? center + at : 0, 0, channels, period);
    const from = x + begin;
    const by = dy + begin;
    switch (kind) {
      case NONE: sums<None>(from, by, count, period, kind, a, b, scratch); break;
      case RELU: sums<Relu>(from, by, count, period, kind, a, b, scratch); break;
      case CLIP: sums<Clip>(from, by, count, period, kind, a, b, scratch); break;
      case LEAKY_RELU: sums<LeakyRelu>(from, by, count, period, kind, a, b, scratch); break;
      default: sums<Curved>(from, by, count, period, kind, a, b, scratch);
    }
    foldSums(totals, weighted + at, 1, channels, period);
    foldSums(totals + 2 * row, plain + at, 1, channels, period);
  }
}

// Tables in the scratch memory, in units of one row of floats; TOTALS are two rows of f64.
const WEIGHTED: usize = 0;
const PLAIN: usize = 1;
const SCALE: usize = 2;
const SHIFT: usize = 3;
const CENTER: usize = 4;
const TOTALS: usize = 5;

// @ts-expect-error: decorator
@inline
function sums<Variant>(
  x: usize,
  dy: usize,
  count: i32,
  period: i32,
  kind: i32,
  p0: v128,
  p1: v128,
  scratch: usize,
): void {
  const row = <usize>period << 2;
  const totals = scratch + TOTALS * row;
  while (count > 0) {
    const block = min(count, period * BLOCK_ROWS);
    let rest = block;
    for (; rest >= period << 2; rest -= period << 2) {
      for (let j: usize = 0; j < row; j += 64) {
        sumFour<Variant, Size0>(x + j, dy + j, row, scratch + j, kind, p0, p1);
        sumFour<Variant, Size16>(x + j, dy + j, row, scratch + j, kind, p0, p1);
        sumFour<Variant, Size32>(x + j, dy + j, row, scratch + j, kind, p0, p1);
        sumFour<Variant, Size48>(x + j, dy + j, row, scratch + j, kind, p0, p1);
      }
      x += row << 2;
      dy += row << 2;
    }
    let j: usize = 0;
    for (; rest > 0; rest -= 4) {
      const value = rest >= 4 ? v128.load(x) : loadTail(x, rest);
      const by = rest >= 4 ? v128.load(dy) : loadTail(dy, rest);
      // Past the end dy is 0, and so is dz.
      add<Variant>(value, by, row, scratch + j, kind, p0, p1);
      x += 16;
      dy += 16;
      j += 16;
      if (j == row) j = 0;
    }
    flushSums(totals, scratch, period);
    flushSums(totals + 2 * row, scratch + PLAIN * row, period);
    count -= block;
  }
}

/** Adds one vector of each of four rows to the sums. */
// @ts-expect-error: decorator
@inline
function sumFour<Variant, Offset>(
  x: usize,
  dy: usize,
  row: usize,
  table: usize,
  kind: i32,
  p0: v128,
  p1: v128,
): void {
  const scale = v128.load(table + SCALE * row, offsetof<Offset>());
  const shift = v128.load(table + SHIFT * row, offsetof<Offset>());
  const center = v128.load(table + CENTER * row, offsetof<Offset>());
  const x0 = v128.load(x, offsetof<Offset>());
  const x1 = v128.load(x + row, offsetof<Offset>());
  const x2 = v128.load(x + 2 * row, offsetof<Offset>());
  const x3 = v128.load(x + 3 * row, offsetof<Offset>());
  const dz0 = gradient<Variant>(v128.load(dy, offsetof<Offset>()), x0, scale, shift, kind, p0, p1);
  const dz1 = gradient<Variant>(v128.load(dy + row, offsetof<Offset>()), x1, scale, shift, kind, p0, p1);
  const dz2 = gradient<Variant>(v128.load(dy + 2 * row, offsetof<Offset>()), x2, scale, shift, kind, p0, p1);
  const dz3 = gradient<Variant>(v128.load(dy + 3 * row, offsetof<Offset>()), x3, scale, shift, kind, p0, p1);
  const first = madd(dz1, f32x4.sub(x1, center), f32x4.mul(dz0, f32x4.sub(x0, center)));
  const product = madd(dz3, f32x4.sub(x3, center), madd(dz2, f32x4.sub(x2, center), first));
  accumulate<Offset>(table, product);
  accumulate<Offset>(table + PLAIN * row, f32x4.add(f32x4.add(dz0, dz1), f32x4.add(dz2, dz3)));
}

/** Adds one vector to the sums. */
// @ts-expect-error: decorator
@inline
function add<Variant>(
  x: v128,
  dy: v128,
  row: usize,
  table: usize,
  kind: i32,
  p0: v128,
  p1: v128,
): void {
  const scale = v128.load(table + SCALE * row);
  const shift = v128.load(table + SHIFT * row);
  const dz = gradient<Variant>(dy, x, scale, shift, kind, p0, p1);
  accumulate<Size0>(table, f32x4.mul(dz, f32x4.sub(x, v128.load(table + CENTER * row))));
  accumulate<Size0>(table + PLAIN * row, dz);
}

// @ts-expect-error: decorator
@inline
function gradient<Variant>(
  dy: v128,
  x: v128,
  scale: v128,
  shift: v128,
  kind: i32,
  p0: v128,
  p1: v128,
): v128 {
  if (offsetof<Variant>() == NONE) return dy;
  return activationGradient<Variant>(dy, madd(x, scale, shift), kind, p0, p1);
}

// @ts-expect-error: decorator
@inline
function accumulate<Offset>(sums: usize, value: v128): void {
  v128.store(sums, f32x4.add(v128.load(sums, offsetof<Offset>()), value), offsetof<Offset>());
}

/** out[g, c] = factor · Σ x[g, r, c] over the rows r. `scratch`: 3·channelPeriod(C) floats. */
export function columnSums(
  x: usize,
  out: usize,
  groups: i32,
  rows: i32,
  channels: i32,
  factor: f64,
  scratch: usize,
): void {
  const period = channelPeriod(channels);
  const row = <usize>period << 2;
  const totals = scratch + row;
  for (let group = 0; group < groups; group++) {
    clearTable(scratch, 3 * period);
    for (let count = rows * channels; count > 0; ) {
      const block = min(count, period * BLOCK_ROWS);
      let rest = block;
      for (; rest >= period << 2; rest -= period << 2) {
        for (let j: usize = 0; j < row; j += 64) {
          addFour<Size0>(x + j, row, scratch + j);
          addFour<Size16>(x + j, row, scratch + j);
          addFour<Size32>(x + j, row, scratch + j);
          addFour<Size48>(x + j, row, scratch + j);
        }
        x += row << 2;
      }
      let j: usize = 0;
      for (; rest >= 4; rest -= 4) {
        v128.store(scratch + j, f32x4.add(v128.load(scratch + j), v128.load(x)));
        x += 16;
        j += 16;
        if (j == row) j = 0;
      }
      if (rest > 0) {
        v128.store(scratch + j, f32x4.add(v128.load(scratch + j), loadTail(x, rest)));
        x += <usize>rest << 2;
      }
      flushSums(totals, scratch, period);
      count -= block;
    }
    foldSums(totals, out + (<usize>(group * channels) << 2), factor, channels, period);
  }
}

/** Adds one vector of each of four rows. */
// @ts-expect-error: decorator
@inline
function addFour<Offset>(x: usize, row: usize, sums: usize): void {
  const pair = f32x4.add(v128.load(x, offsetof<Offset>()), v128.load(x + row, offsetof<Offset>()));
  const other = f32x4.add(
    v128.load(x + 2 * row, offsetof<Offset>()),
    v128.load(x + 3 * row, offsetof<Offset>()),
  );
  accumulate<Offset>(sums, f32x4.add(pair, other));
}

/** out[g, r, c] = factor · x[g, c] for all rows r. */
export function broadcastRows(
  x: usize,
  out: usize,
  groups: i32,
  rows: i32,
  channels: i32,
  factor: f32,
): void {
  const scale = f32x4.splat(factor);
  for (let group = 0; group < groups; group++) {
    for (let r = 0; r < rows; r++) {
      let c = 0;
      for (; c + 4 <= channels; c += 4, out += 16) {
        v128.store(out, f32x4.mul(v128.load(x + (<usize>c << 2)), scale));
      }
      for (; c < channels; c++, out += 4) store<f32>(out, load<f32>(x + (<usize>c << 2)) * factor);
    }
    x += <usize>channels << 2;
  }
}
