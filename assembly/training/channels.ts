/**
 * Per-channel parameters over flat NHWC data, whatever the number of channels.
 *
 * The channel of the i-th float is i mod C. Flat data is read as virtual rows of `period` floats, a multiple of
 * C and of 16: lane j of every row belongs to channel j mod C. A parameter [C] becomes a table [period], and a
 * reduction to [C] runs on [period] accumulators that are folded at the end. No loop has a scalar path for odd C.
 */

/** Loops take four vectors of a row at a time. */
const GROUP: i32 = 16;

/** Shorter rows would wait on the last row's additions to the same accumulators. */
const MIN_PERIOD: i32 = 64;

/** Rows whose sums are held in f32, four rows an addition, before f64 takes over: 128 roundings at most. */
export const BLOCK_ROWS: i32 = 512;

/** Floats in a virtual row: a multiple of `channels` and of 16. */
export function channelPeriod(channels: i32): i32 {
  let period = channels;
  while (period & (GROUP - 1) || period < MIN_PERIOD) period <<= 1;
  return period;
}

/** table[j] = values[j mod C], or `absent` everywhere if there are no values. */
export function fillTable(table: usize, values: usize, absent: f32, channels: i32, period: i32): void {
  const bytes = <usize>channels << 2;
  const end = table + (<usize>period << 2);
  if (values == 0) {
    const lanes = f32x4.splat(absent);
    for (; table < end; table += 16) v128.store(table, lanes);
    return;
  }
  for (; table < end; table += bytes) memory.copy(table, values, bytes);
}

/** Sets `period` floats to 0. */
// @ts-expect-error: decorator
@inline
export function clearTable(table: usize, period: i32): void {
  memory.fill(table, 0, <usize>period << 2);
}

/** total[j] (f64) += sums[j] (f32); sums[j] = 0. */
export function flushSums(total: usize, sums: usize, period: i32): void {
  const end = sums + (<usize>period << 2);
  for (; sums < end; sums += 16, total += 32) {
    const lanes = v128.load(sums);
    const high = i8x16.shuffle(lanes, lanes, 8, 9, 10, 11, 12, 13, 14, 15, 0, 0, 0, 0, 0, 0, 0, 0);
    v128.store(total, f64x2.add(v128.load(total), f64x2.promote_low_f32x4(lanes)));
    v128.store(total + 16, f64x2.add(v128.load(total + 16), f64x2.promote_low_f32x4(high)));
    v128.store(sums, f32x4.splat(0));
  }
}

/** out[c] = factor · Σ total[j] over the lanes j of channel c. */
export function foldSums(total: usize, out: usize, factor: f64, channels: i32, period: i32): void {
  for (let c = 0; c < channels; c++) {
    let sum: f64 = 0;
    for (let j = c; j < period; j += channels) sum += load<f64>(total + (<usize>j << 3));
    store<f32>(out + (<usize>c << 2), <f32>(factor * sum));
  }
}
