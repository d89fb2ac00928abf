/**
 * y = act(scale[c]·x + shift[c]) and its gradient by x, each in one pass over memory.
 *
 * x is [groups, rows, C]; scale and shift are [groups, C], or absent (address 0: 1 and 0). `scratch` holds
 * 4·channelPeriod(C) floats. Bytes moved: forward 8 an element; backward 12, or 8 for a linear function.
 */
import { activate, activationGradient, CLIP, CURVED, LEAKY_RELU, NONE, variantOf } from "./activation";
import { channelPeriod, fillTable } from "./channels";
import { madd } from "./madd";
import { loadTail, storeTail } from "./tail";

export function scaleShift(
  x: usize,
  y: usize,
  scale: usize,
  shift: usize,
  groups: i32,
  rows: i32,
  channels: i32,
  kind: i32,
  p0: f32,
  p1: f32,
  scratch: usize,
): void {
  const period = channelPeriod(channels);
  const scales = scratch;
  const shifts = scratch + (<usize>period << 2);
  const count = rows * channels;
  const a = f32x4.splat(p0);
  const b = f32x4.splat(p1);
  for (let group = 0; group < groups; group++) {
    const at = <usize>(group * channels) << 2;
    const offset = (<usize>group * <usize>count) << 2;
    fillTable(scales, scale ? scale + at : 0, 1, channels, period);
    fillTable(shifts, shift ? shift + at : 0, 0, channels, period);
    switch (variantOf(kind)) {
      case NONE: forward(x + offset, y + offset, count, scales, shifts, period, NONE, kind, a, b); break;
      case CLIP: forward(x + offset, y + offset, count, scales, shifts, period, CLIP, kind, a, b); break;
      case LEAKY_RELU: forward(x + offset, y + offset, count, scales, shifts, period, LEAKY_RELU, kind, a, b); break;
      default: forward(x + offset, y + offset, count, scales, shifts, period, CURVED, kind, a, b);
    }
  }
}

// @ts-expect-error: decorator
@inline
function forward(
  x: usize,
  y: usize,
  count: i32,
  scales: usize,
  shifts: usize,
  period: i32,
  variant: i32,
  kind: i32,
  p0: v128,
  p1: v128,
): void {
  const row = <usize>period << 2;
  // Four rows at once: each entry of the tables is read once for four vectors.
  for (; count >= period << 2; count -= period << 2) {
    for (let j: usize = 0; j < row; j += 16) {
      const s = v128.load(scales + j);
      const t = v128.load(shifts + j);
      let from = x + j;
      let to = y + j;
      v128.store(to, activate(madd(v128.load(from), s, t), variant, kind, p0, p1));
      from += row;
      to += row;
      v128.store(to, activate(madd(v128.load(from), s, t), variant, kind, p0, p1));
      from += row;
      to += row;
      v128.store(to, activate(madd(v128.load(from), s, t), variant, kind, p0, p1));
      from += row;
      to += row;
      v128.store(to, activate(madd(v128.load(from), s, t), variant, kind, p0, p1));
    }
    x += row << 2;
    y += row << 2;
  }
  let j: usize = 0;
  for (; count >= 4; count -= 4) {
    const z = madd(v128.load(x), v128.load(scales + j), v128.load(shifts + j));
    v128.store(y, activate(z, variant, kind, p0, p1));
    x += 16;
    y += 16;
    j += 16;
    if (j == row) j = 0;
  }
  if (count > 0) {
    const z = madd(loadTail(x, count), v128.load(scales + j), v128.load(shifts + j));
    storeTail(y, activate(z, variant, kind, p0, p1), count);
  }
}

/**
 * dx = scale·dz + slope·x + offset, with dz = dy·act′(scale·x + shift). Slope and offset, [groups, C], carry the
 * gradient of x's statistics; both are absent (0) without one. A linear function without them never reads x.
 */
export function scaleShiftGradient(
  x: usize,
  dy: usize,
  dx: usize,
  scale: usize,
  shift: usize,
  slope: usize,
  offset: usize,
  groups: i32,
  rows: i32,
  channels: i32,
  kind: i32,
  p0: f32,
  p1: f32,
  scratch: usize,
): void {
  const period = channelPeriod(channels);
  const tables = scratch;
  const bytes = <usize>period << 2;
  const count = rows * channels;
  const a = f32x4.splat(p0);
  const b = f32x4.splat(p1);
  const code = variantOf(kind) | (slope ? STATISTICS : 0);
  for (let group = 0; group < groups; group++) {
    const at = <usize>(group * channels) << 2;
    const begin = (<usize>group * <usize>count) << 2;
    fillTable(tables, scale ? scale + at : 0, 1, channels, period);
    fillTable(tables + bytes, shift ? shift + at : 0, 0, channels, period);
    if (slope) {
      fillTable(tables + 2 * bytes, slope + at, 0, channels, period);
      fillTable(tables + 3 * bytes, offset + at, 0, channels, period);
    }
    const from = x + begin;
    const by = dy + begin;
    const to = dx + begin;
    switch (code) {
      case NONE: backward(from, by, to, count, tables, period, NONE, false, kind, a, b); break;
      case CLIP: backward(from, by, to, count, tables, period, CLIP, false, kind, a, b); break;
      case LEAKY_RELU: backward(from, by, to, count, tables, period, LEAKY_RELU, false, kind, a, b); break;
      case CURVED: backward(from, by, to, count, tables, period, CURVED, false, kind, a, b); break;
      case NONE | STATISTICS: backward(from, by, to, count, tables, period, NONE, true, kind, a, b); break;
      case CLIP | STATISTICS: backward(from, by, to, count, tables, period, CLIP, true, kind, a, b); break;
      case LEAKY_RELU | STATISTICS: backward(from, by, to, count, tables, period, LEAKY_RELU, true, kind, a, b); break;
      default: backward(from, by, to, count, tables, period, CURVED, true, kind, a, b);
    }
  }
}

/** Bit beside the variant: slope and offset are there. */
const STATISTICS: i32 = 4;

// @ts-expect-error: decorator
@inline
function backward(
  x: usize,
  dy: usize,
  dx: usize,
  count: i32,
  tables: usize,
  period: i32,
  variant: i32,
  statistics: bool,
  kind: i32,
  p0: v128,
  p1: v128,
): void {
  const row = <usize>period << 2;
  for (; count >= period << 1; count -= period << 1) {
    for (let j: usize = 0; j < row; j += 16) {
      const table = tables + j;
      const at = x + j;
      const by = dy + j;
      const to = dx + j;
      v128.store(to, gradient(v128.load(by), at, table, row, variant, statistics, kind, p0, p1));
      v128.store(to + row, gradient(v128.load(by + row), at + row, table, row, variant, statistics, kind, p0, p1));
    }
    x += row << 1;
    dy += row << 1;
    dx += row << 1;
  }
  let j: usize = 0;
  for (; count >= 4; count -= 4) {
    v128.store(dx, gradient(v128.load(dy), x, tables + j, row, variant, statistics, kind, p0, p1));
    x += 16;
    dy += 16;
    dx += 16;
    j += 16;
    if (j == row) j = 0;
  }
  if (count > 0) {
    const value = variant == NONE && !statistics ? f32x4.splat(0) : loadTail(x, count);
    const out = gradientOf(loadTail(dy, count), value, tables + j, row, variant, statistics, kind, p0, p1);
    storeTail(dx, out, count);
  }
}

// @ts-expect-error: decorator
@inline
function gradient(
  dy: v128,
  x: usize,
  table: usize,
  row: usize,
  variant: i32,
  statistics: bool,
  kind: i32,
  p0: v128,
  p1: v128,
): v128 {
  if (variant == NONE && !statistics) return f32x4.mul(dy, v128.load(table));
  return gradientOf(dy, v128.load(x), table, row, variant, statistics, kind, p0, p1);
}

/** One vector of dx; the tables of scale, shift, slope and offset lie `row` bytes apart. */
// @ts-expect-error: decorator
@inline
function gradientOf(
  dy: v128,
  x: v128,
  table: usize,
  row: usize,
  variant: i32,
  statistics: bool,
  kind: i32,
  p0: v128,
  p1: v128,
): v128 {
  const scale = v128.load(table);
  let dz = dy;
  if (variant != NONE) {
    const z = madd(x, scale, v128.load(table + row));
    dz = activationGradient(dy, z, variant, kind, p0, p1);
  }
  if (!statistics) return f32x4.mul(dz, scale);
  return madd(dz, scale, madd(x, v128.load(table + 2 * row), v128.load(table + 3 * row)));
}
