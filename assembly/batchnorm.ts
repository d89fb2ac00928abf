/**
 * Reductions over rows for parameter gradients: BatchNorm's, a scale's and a bias's.
 *
 * Sums run in f32 lanes over BLOCK_ROWS virtual rows, then in f64.
 */
import { activationGradient, CLIP, CURVED, LEAKY_RELU, NONE, variantOf } from "./activation";
import { BLOCK_ROWS, channelPeriod, clearTable, fillTable, flushSums, foldSums } from "./channels";
import { madd } from "./madd";
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
  const b = f32x4.splat(p1);
  const totals = scratch + TOTALS * row;
  for (let group = 0; group < groups; group++) {
    const at = <usize>(group * channels) << 2;
    const begin = (<usize>group * <usize>count) << 2;
    clearTable(scratch + WEIGHTED * row, 2 * period);
    clearTable(totals, 4 * period);
    fillTable(scratch + SCALE * row, scale ? scale + at : 0, 1, channels, period);
    fillTable(scratch + SHIFT * row, shift ? shift + at : 0, 0, channels, period);
    fillTable(scratch + CENTER * row, center ? center + at : 0, 0, channels, period);
    switch (variantOf(kind)) {
      case NONE: sums(x + begin, dy + begin, count, period, NONE, kind, a, b, scratch); break;
      case CLIP: sums(x + begin, dy + begin, count, period, CLIP, kind, a, b, scratch); break;
      case LEAKY_RELU: sums(x + begin, dy + begin, count, period, LEAKY_RELU, kind, a, b, scratch); break;
      default: sums(x + begin, dy + begin, count, period, CURVED, kind, a, b, scratch);
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
function sums(
  x: usize,
  dy: usize,
  count: i32,
  period: i32,
  variant: i32,
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
    for (; rest >= period << 1; rest -= period << 1) {
      for (let j: usize = 0; j < row; j += 16) {
        const at = scratch + j;
        const first = v128.load(x + j);
        const second = v128.load(x + j + row);
        const dz0 = gradient(v128.load(dy + j), first, at, row, variant, kind, p0, p1);
        const dz1 = gradient(v128.load(dy + j + row), second, at, row, variant, kind, p0, p1);
        const center = v128.load(at + CENTER * row);
        const product = madd(dz1, f32x4.sub(second, center), f32x4.mul(dz0, f32x4.sub(first, center)));
        v128.store(at, f32x4.add(v128.load(at), product));
        v128.store(at + PLAIN * row, f32x4.add(v128.load(at + PLAIN * row), f32x4.add(dz0, dz1)));
      }
      x += row << 1;
      dy += row << 1;
    }
    let j: usize = 0;
    for (; rest > 0; rest -= 4) {
      const at = scratch + j;
      const value = rest >= 4 ? v128.load(x) : loadTail(x, rest);
      const by = rest >= 4 ? v128.load(dy) : loadTail(dy, rest);
      const dz = gradient(by, value, at, row, variant, kind, p0, p1);
      v128.store(at, madd(dz, f32x4.sub(value, v128.load(at + CENTER * row)), v128.load(at)));
      v128.store(at + PLAIN * row, f32x4.add(v128.load(at + PLAIN * row), dz));
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

/** dz of one vector. Past the end dy is 0, and so is dz. */
// @ts-expect-error: decorator
@inline
function gradient(
  dy: v128,
  x: v128,
  table: usize,
  row: usize,
  variant: i32,
  kind: i32,
  p0: v128,
  p1: v128,
): v128 {
  if (variant == NONE) return dy;
  const z = madd(x, v128.load(table + SCALE * row), v128.load(table + SHIFT * row));
  return activationGradient(dy, z, variant, kind, p0, p1);
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
        for (let j: usize = 0; j < row; j += 16) {
          const from = x + j;
          const pair = f32x4.add(v128.load(from), v128.load(from + row));
          const other = f32x4.add(v128.load(from + 2 * row), v128.load(from + 3 * row));
          v128.store(scratch + j, f32x4.add(v128.load(scratch + j), f32x4.add(pair, other)));
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
