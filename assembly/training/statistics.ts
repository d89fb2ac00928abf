/**
 * Mean and spread per channel of x, [groups, rows, C], alone or from the pass that normalizes it.
 *
 * Accuracy: each block of BLOCK_ROWS virtual rows sums d = x − pivot and d² in f32, with the mean so far as the
 * pivot, and is merged in f64 by Chan, Golub and LeVeque's update; so |mean| ≫ std costs nothing. The order of
 * additions is fixed by the shape.
 */
import {
  activate,
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
import { BLOCK_ROWS, channelPeriod, clearTable, fillTable } from "./channels";
import { madd } from "../madd";
import { touch } from "./packing";
import { Size0, Size1, Size4, Size5, Size16, Size32, Size48 } from "./sizes";
import { loadTail, storeTail } from "./tail";

/** Rows whose mean is the first pivot. */
const PIVOT_ROWS: i32 = 16;

/**
 * Rows of at most so many bytes come two at a time: nearly in order, which memory wants. Longer ones would be two
 * streams that end every few lines; eight at a time, touched in order first, they are faster.
 */
const SHORT_ROW: usize = 384;

/** Data of at most so many bytes may lie in the second-level cache: eight rows at a time use the tables best. */
const CACHED_BYTES: usize = 1048576;

/** Beside the variants of `activation.ts`: no y is written. */
type NoOutput = Size5;

/** What `spread` gets: √(Σ(x − mean)²/(n − 1)), 0 for n = 1; or Σ(x − mean)²/n. */
const STANDARD_DEVIATION: i32 = 1;

/** `scratch`: 9·channelPeriod(C) floats. mean and spread: [groups, C]. */
export function statistics(
  x: usize,
  groups: i32,
  rows: i32,
  channels: i32,
  mean: usize,
  spread: usize,
  spreadKind: i32,
  scratch: usize,
): void {
  const period = channelPeriod(channels);
  const count = rows * channels;
  const none = f32x4.splat(0);
  for (let group = 0; group < groups; group++) {
    const from = x + ((<usize>group * <usize>count) << 2);
    const at = <usize>(group * channels) << 2;
    collect<NoOutput>(from, 0, count, period, NONE, none, none, scratch);
    finish(scratch, count, channels, period, mean + at, spread + at, spreadKind);
  }
}

/** y = act(scale·x + shift) and the mean and unbiased standard deviation of x, [C]; scratch as above. */
export function scaleShiftStatistics(
  x: usize,
  y: usize,
  scale: usize,
  shift: usize,
  rows: i32,
  channels: i32,
  kind: i32,
  p0: f32,
  p1: f32,
  mean: usize,
  std: usize,
  scratch: usize,
): void {
  const period = channelPeriod(channels);
  const count = rows * channels;
  const a = f32x4.splat(p0);
  const b = secondParameter(kind, p0, p1);
  fillTable(table(scratch, period, SCALE), scale, 1, channels, period);
  fillTable(table(scratch, period, SHIFT), shift, 0, channels, period);
  switch (kind) {
    case NONE: collect<None>(x, y, count, period, kind, a, b, scratch); break;
    case RELU: collect<Relu>(x, y, count, period, kind, a, b, scratch); break;
    case CLIP: collect<Clip>(x, y, count, period, kind, a, b, scratch); break;
    case LEAKY_RELU: collect<LeakyRelu>(x, y, count, period, kind, a, b, scratch); break;
    default: collect<Curved>(x, y, count, period, kind, a, b, scratch);
  }
  finish(scratch, count, channels, period, mean, std, STANDARD_DEVIATION);
}

// Tables in the scratch memory, in units of one row of floats; the last two hold f64.
const PIVOT: usize = 0;
const SUM: usize = 1;
const SQUARES: usize = 2;
const SCALE: usize = 3;
const SHIFT: usize = 4;
const MEAN: usize = 5;
const DEVIATION: usize = 7;

// @ts-expect-error: decorator
@inline
function table(scratch: usize, period: i32, index: usize): usize {
  return scratch + ((index * <usize>period) << 2);
}

/** Runs over `count` floats and leaves, for every lane, its mean and Σ(x − mean)² in MEAN and DEVIATION. */
// @ts-expect-error: decorator
@inline
function collect<Variant>(
  x: usize,
  y: usize,
  count: i32,
  period: i32,
  kind: i32,
  p0: v128,
  p1: v128,
  scratch: usize,
): void {
  const row = <usize>period << 2;
  const rows = count / period;
  const rest = count - rows * period;
  const inOrder = row <= SHORT_ROW && <usize>count << 2 > CACHED_BYTES;
  let near = 0;
  start(x, rows, rest, period, scratch);
  for (let done = 0; done < rows; ) {
    const block = min(rows - done, BLOCK_ROWS);
    let r = 0;
    if (inOrder) {
      for (; r + 2 <= block; r += 2) {
        addPairs<Variant, Size1>(x, y, row, kind, p0, p1, scratch);
        x += row << 1;
        if (offsetof<Variant>() != offsetof<NoOutput>()) y += row << 1;
      }
    } else {
      for (; r + 8 <= block; r += 8) {
        near |= touch(x, row << 3);
        addPairs<Variant, Size4>(x, y, row, kind, p0, p1, scratch);
        x += row << 3;
        if (offsetof<Variant>() != offsetof<NoOutput>()) y += row << 3;
      }
    }
    for (; r < block; r++) {
      addRow<Variant>(x, y, period, row, kind, p0, p1, scratch);
      x += row;
      if (offsetof<Variant>() != offsetof<NoOutput>()) y += row;
    }
    merge(scratch, period, period, done, block);
    done += block;
  }
  if (rest > 0) {
    addRow<Variant>(x, y, rest, row, kind, p0, p1, scratch);
    merge(scratch, period, rest, rows, 1);
  }
  // A use for what is read only to be near, so that no compiler leaves the reading out; the sums are done with.
  store<i32>(table(scratch, period, SUM), near);
}

/** Clears the sums and sets the first pivot: the mean of the first rows. */
function start(x: usize, rows: i32, rest: i32, period: i32, scratch: usize): void {
  const pivots = table(scratch, period, PIVOT);
  clearTable(pivots, period);
  clearTable(table(scratch, period, SUM), period);
  clearTable(table(scratch, period, SQUARES), period);
  memory.fill(table(scratch, period, MEAN), 0, <usize>period << 4);
  if (rows == 0) {
    memory.copy(pivots, x, <usize>rest << 2);
    return;
  }
  const row = <usize>period << 2;
  const first = min(rows, PIVOT_ROWS);
  const factor = f32x4.splat(<f32>1 / <f32>first);
  for (let j: usize = 0; j < row; j += 16) {
    let sum = f32x4.splat(0);
    for (let r = 0; r < first; r++) sum = f32x4.add(sum, v128.load(x + j + <usize>r * row));
    v128.store(pivots + j, f32x4.mul(sum, factor));
  }
}

/** So many pairs of rows as `Pairs` has bytes. */
// @ts-expect-error: decorator
@inline
function addPairs<Variant, Pairs>(
  x: usize,
  y: usize,
  row: usize,
  kind: i32,
  p0: v128,
  p1: v128,
  scratch: usize,
): void {
  for (let j: usize = 0; j < row; j += 64) {
    addVectors<Variant, Pairs, Size0>(x + j, y + j, row, kind, p0, p1, scratch + j);
    addVectors<Variant, Pairs, Size16>(x + j, y + j, row, kind, p0, p1, scratch + j);
    addVectors<Variant, Pairs, Size32>(x + j, y + j, row, kind, p0, p1, scratch + j);
    addVectors<Variant, Pairs, Size48>(x + j, y + j, row, kind, p0, p1, scratch + j);
  }
}

/** One vector of each of these rows. */
// @ts-expect-error: decorator
@inline
function addVectors<Variant, Pairs, Offset>(
  x: usize,
  y: usize,
  row: usize,
  kind: i32,
  p0: v128,
  p1: v128,
  at: usize,
): void {
  const pivot = v128.load(at, offsetof<Offset>());
  let scale = pivot;
  let shift = pivot;
  if (offsetof<Variant>() != offsetof<NoOutput>()) {
    scale = v128.load(at + SCALE * row, offsetof<Offset>());
    shift = v128.load(at + SHIFT * row, offsetof<Offset>());
  }
  let sum = f32x4.splat(0);
  let squares = sum;
  for (let pair: usize = 0; pair < offsetof<Pairs>(); pair++) {
    const x0 = v128.load(x, offsetof<Offset>());
    const x1 = v128.load(x + row, offsetof<Offset>());
    if (offsetof<Variant>() != offsetof<NoOutput>()) {
      v128.store(y, activate<Variant>(madd(x0, scale, shift), kind, p0, p1), offsetof<Offset>());
      v128.store(y + row, activate<Variant>(madd(x1, scale, shift), kind, p0, p1), offsetof<Offset>());
    }
    const d0 = f32x4.sub(x0, pivot);
    const d1 = f32x4.sub(x1, pivot);
    sum = f32x4.add(sum, f32x4.add(d0, d1));
    squares = madd(d0, d0, madd(d1, d1, squares));
    x += row << 1;
    y += row << 1;
  }
  v128.store(at + SUM * row, f32x4.add(v128.load(at + SUM * row, offsetof<Offset>()), sum), offsetof<Offset>());
  const total = f32x4.add(v128.load(at + SQUARES * row, offsetof<Offset>()), squares);
  v128.store(at + SQUARES * row, total, offsetof<Offset>());
}

/** One row of `count` floats, `count` ≤ period. */
// @ts-expect-error: decorator
@inline
function addRow<Variant>(
  x: usize,
  y: usize,
  count: i32,
  row: usize,
  kind: i32,
  p0: v128,
  p1: v128,
  scratch: usize,
): void {
  let j: usize = 0;
  for (; count > 0; count -= 4, j += 16) {
    const at = scratch + j;
    const value = count >= 4 ? v128.load(x + j) : loadTail(x + j, count);
    if (offsetof<Variant>() != offsetof<NoOutput>()) {
      const z = madd(value, v128.load(at + SCALE * row), v128.load(at + SHIFT * row));
      const result = activate<Variant>(z, kind, p0, p1);
      if (count >= 4) v128.store(y + j, result);
      else storeTail(y + j, result, count);
    }
    const d = f32x4.sub(value, v128.load(at));
    v128.store(at + SUM * row, f32x4.add(v128.load(at + SUM * row), d));
    v128.store(at + SQUARES * row, madd(d, d, v128.load(at + SQUARES * row)));
  }
}

/** Adds a block of n rows to the `lanes` first lanes, which hold `before` rows, and moves their pivots. */
function merge(scratch: usize, period: i32, lanes: i32, before: i32, n: i32): void {
  const perBlock = <f64>1 / <f64>n;
  const share = <f64>n / <f64>(before + n);
  const between = <f64>before * share;
  for (let j = 0; j < lanes; j++) {
    const at = scratch + (<usize>j << 2);
    const row = <usize>period << 2;
    const sum = <f64>load<f32>(at + SUM * row);
    const squares = <f64>load<f32>(at + SQUARES * row);
    const means = table(scratch, period, MEAN) + (<usize>j << 3);
    const mean = load<f64>(means);
    const shift = sum * perBlock;
    const gap = <f64>load<f32>(at) + shift - mean;
    const moved = mean + gap * share;
    const deviations = means + 2 * row;
    store<f64>(deviations, load<f64>(deviations) + max(squares - sum * shift, 0) + gap * gap * between);
    store<f64>(means, moved);
    store<f32>(at, <f32>moved);
    store<f32>(at + SUM * row, 0);
    store<f32>(at + SQUARES * row, 0);
  }
}

/** Joins the lanes of each channel: lane j has one value in every full row and one more if j < rest. */
function finish(
  scratch: usize,
  count: i32,
  channels: i32,
  period: i32,
  mean: usize,
  spread: usize,
  spreadKind: i32,
): void {
  const rows = count / period;
  const rest = count - rows * period;
  const means = table(scratch, period, MEAN);
  const deviations = table(scratch, period, DEVIATION);
  for (let c = 0; c < channels; c++) {
    let total: f64 = 0;
    let center: f64 = 0;
    let deviation: f64 = 0;
    for (let j = c; j < period; j += channels) {
      const n = <f64>(rows + i32(j < rest));
      if (n == 0) break;
      const gap = load<f64>(means + (<usize>j << 3)) - center;
      deviation += load<f64>(deviations + (<usize>j << 3)) + (gap * gap * total * n) / (total + n);
      total += n;
      center += (gap * n) / total;
    }
    const value =
      spreadKind == STANDARD_DEVIATION ? (total > 1 ? sqrt<f64>(deviation / (total - 1)) : 0) : deviation / total;
    store<f32>(mean + (<usize>c << 2), <f32>center);
    store<f32>(spread + (<usize>c << 2), <f32>value);
  }
}
