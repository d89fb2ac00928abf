/**
 * y = act(scale[c]·x + shift[c]) and its gradient by x, each in one pass over memory.
 *
 * x is [groups, rows, C]; scale and shift are [groups, C], or absent (address 0: 1 and 0). `scratch` holds
 * 4·channelPeriod(C) floats. Bytes moved: forward 8 an element; backward 12, or 8 for a linear function.
 */
import {
  activate,
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
import { channelPeriod, fillTable } from "./channels";
import { madd } from "../madd";
import { Size0, Size1, Size16, Size32, Size48 } from "./sizes";
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
  const b = secondParameter(kind, p0, p1);
  for (let group = 0; group < groups; group++) {
    const at = <usize>(group * channels) << 2;
    const offset = (<usize>group * <usize>count) << 2;
    fillTable(scales, scale ? scale + at : 0, 1, channels, period);
    fillTable(shifts, shift ? shift + at : 0, 0, channels, period);
    const from = x + offset;
    const to = y + offset;
    switch (kind) {
      case NONE: forward<None>(from, to, count, scales, shifts, period, kind, a, b); break;
      case RELU: forward<Relu>(from, to, count, scales, shifts, period, kind, a, b); break;
      case CLIP: forward<Clip>(from, to, count, scales, shifts, period, kind, a, b); break;
      case LEAKY_RELU: forward<LeakyRelu>(from, to, count, scales, shifts, period, kind, a, b); break;
      default: forward<Curved>(from, to, count, scales, shifts, period, kind, a, b);
    }
  }
}

// @ts-expect-error: decorator
@inline
function forward<Variant>(
  x: usize,
  y: usize,
  count: i32,
  scales: usize,
  shifts: usize,
  period: i32,
  kind: i32,
  p0: v128,
  p1: v128,
): void {
  const row = <usize>period << 2;
  // Two rows at once: each entry of the tables is read once for two vectors.
  for (; count >= period << 1; count -= period << 1) {
    for (let j: usize = 0; j < row; j += 64) {
      const from = x + j;
      const to = y + j;
      const s = scales + j;
      const t = shifts + j;
      forwardTwo<Variant, Size0>(from, to, row, s, t, kind, p0, p1);
      forwardTwo<Variant, Size16>(from, to, row, s, t, kind, p0, p1);
      forwardTwo<Variant, Size32>(from, to, row, s, t, kind, p0, p1);
      forwardTwo<Variant, Size48>(from, to, row, s, t, kind, p0, p1);
    }
    x += row << 1;
    y += row << 1;
  }
  let j: usize = 0;
  for (; count >= 4; count -= 4) {
    const z = madd(v128.load(x), v128.load(scales + j), v128.load(shifts + j));
    v128.store(y, activate<Variant>(z, kind, p0, p1));
    x += 16;
    y += 16;
    j += 16;
    if (j == row) j = 0;
  }
  if (count > 0) {
    const z = madd(loadTail(x, count), v128.load(scales + j), v128.load(shifts + j));
    storeTail(y, activate<Variant>(z, kind, p0, p1), count);
  }
}

/** One vector of each of two rows. */
// @ts-expect-error: decorator
@inline
function forwardTwo<Variant, Offset>(
  x: usize,
  y: usize,
  row: usize,
  scales: usize,
  shifts: usize,
  kind: i32,
  p0: v128,
  p1: v128,
): void {
  const s = v128.load(scales, offsetof<Offset>());
  const t = v128.load(shifts, offsetof<Offset>());
  const z0 = madd(v128.load(x, offsetof<Offset>()), s, t);
  const z1 = madd(v128.load(x + row, offsetof<Offset>()), s, t);
  v128.store(y, activate<Variant>(z0, kind, p0, p1), offsetof<Offset>());
  v128.store(y + row, activate<Variant>(z1, kind, p0, p1), offsetof<Offset>());
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
  const b = secondParameter(kind, p0, p1);
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
    if (slope) {
      switch (kind) {
        case NONE: backward<None, Statistics>(from, by, to, count, tables, period, kind, a, b); break;
        case RELU: backward<Relu, Statistics>(from, by, to, count, tables, period, kind, a, b); break;
        case CLIP: backward<Clip, Statistics>(from, by, to, count, tables, period, kind, a, b); break;
        case LEAKY_RELU: backward<LeakyRelu, Statistics>(from, by, to, count, tables, period, kind, a, b); break;
        default: backward<Curved, Statistics>(from, by, to, count, tables, period, kind, a, b);
      }
    } else {
      switch (kind) {
        case NONE: backward<None, NoStatistics>(from, by, to, count, tables, period, kind, a, b); break;
        case RELU: backward<Relu, NoStatistics>(from, by, to, count, tables, period, kind, a, b); break;
        case CLIP: backward<Clip, NoStatistics>(from, by, to, count, tables, period, kind, a, b); break;
        case LEAKY_RELU: backward<LeakyRelu, NoStatistics>(from, by, to, count, tables, period, kind, a, b); break;
        default: backward<Curved, NoStatistics>(from, by, to, count, tables, period, kind, a, b);
      }
    }
  }
}

// Whether slope and offset are there.
type Statistics = Size1;
type NoStatistics = Size0;

// @ts-expect-error: decorator
@inline
function backward<Variant, Slope>(
  x: usize,
  dy: usize,
  dx: usize,
  count: i32,
  tables: usize,
  period: i32,
  kind: i32,
  p0: v128,
  p1: v128,
): void {
  const row = <usize>period << 2;
  for (; count >= period << 1; count -= period << 1) {
    for (let j: usize = 0; j < row; j += 64) {
      const at = tables + j;
      backwardTwo<Variant, Slope, Size0>(x + j, dy + j, dx + j, row, at, kind, p0, p1);
      backwardTwo<Variant, Slope, Size16>(x + j, dy + j, dx + j, row, at, kind, p0, p1);
      backwardTwo<Variant, Slope, Size32>(x + j, dy + j, dx + j, row, at, kind, p0, p1);
      backwardTwo<Variant, Slope, Size48>(x + j, dy + j, dx + j, row, at, kind, p0, p1);
    }
    x += row << 1;
    dy += row << 1;
    dx += row << 1;
  }
  let j: usize = 0;
  for (; count > 0; count -= 4) {
    const whole = count >= 4;
    const by = whole ? v128.load(dy) : loadTail(dy, count);
    let value = by;
    if (readsInput<Variant, Slope>()) value = whole ? v128.load(x) : loadTail(x, count);
    const table = tables + j;
    const scale = v128.load(table);
    const shift = v128.load(table + row);
    const slope = v128.load(table + 2 * row);
    const offset = v128.load(table + 3 * row);
    const out = gradient<Variant, Slope>(by, value, scale, shift, slope, offset, kind, p0, p1);
    if (whole) v128.store(dx, out);
    else storeTail(dx, out, count);
    x += 16;
    dy += 16;
    dx += 16;
    j += 16;
    if (j == row) j = 0;
  }
}

/** One vector of each of two rows. The tables of scale, shift, slope and offset lie `row` bytes apart. */
// @ts-expect-error: decorator
@inline
function backwardTwo<Variant, Slope, Offset>(
  x: usize,
  dy: usize,
  dx: usize,
  row: usize,
  table: usize,
  kind: i32,
  p0: v128,
  p1: v128,
): void {
  const dy0 = v128.load(dy, offsetof<Offset>());
  const dy1 = v128.load(dy + row, offsetof<Offset>());
  let x0 = dy0;
  let x1 = dy1;
  if (readsInput<Variant, Slope>()) {
    x0 = v128.load(x, offsetof<Offset>());
    x1 = v128.load(x + row, offsetof<Offset>());
  }
  const scale = v128.load(table, offsetof<Offset>());
  let shift = scale;
  if (offsetof<Variant>() != NONE) shift = v128.load(table + row, offsetof<Offset>());
  let slope = scale;
  let offset = scale;
  if (offsetof<Slope>() == offsetof<Statistics>()) {
    slope = v128.load(table + 2 * row, offsetof<Offset>());
    offset = v128.load(table + 3 * row, offsetof<Offset>());
  }
  const dx0 = gradient<Variant, Slope>(dy0, x0, scale, shift, slope, offset, kind, p0, p1);
  const dx1 = gradient<Variant, Slope>(dy1, x1, scale, shift, slope, offset, kind, p0, p1);
  v128.store(dx, dx0, offsetof<Offset>());
  v128.store(dx + row, dx1, offsetof<Offset>());
}

// @ts-expect-error: decorator
@inline
function gradient<Variant, Slope>(
  dy: v128,
  x: v128,
  scale: v128,
  shift: v128,
  slope: v128,
  offset: v128,
  kind: i32,
  p0: v128,
  p1: v128,
): v128 {
  let dz = dy;
  if (offsetof<Variant>() != NONE) {
    dz = activationGradient<Variant>(dy, madd(x, scale, shift), kind, p0, p1);
  }
  if (offsetof<Slope>() != offsetof<Statistics>()) return f32x4.mul(dz, scale);
  return madd(dz, scale, madd(x, slope, offset));
}

/** Whether dx depends on x. */
// @ts-expect-error: decorator
@inline
function readsInput<Variant, Slope>(): bool {
  return offsetof<Variant>() != NONE || offsetof<Slope>() == offsetof<Statistics>();
}
