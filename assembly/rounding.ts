/**
 * GENIE-M's weight quantizer: step size and rounding learned together, the base frozen.
 *
 * Weights are [K, O] with the output channel last, read as virtual rows (see `channels.ts`).
 */
import { BLOCK_ROWS, channelPeriod, clearTable, fillTable, flushSums, foldSums } from "./channels";
import { madd } from "./madd";
import { atLeast, atMost, log, pow, sigmoid } from "./math";
import { firstLanes, laneSum, loadTail, storeTail } from "./tail";

/** The sigmoid is stretched to (−0.1, 1.1), so that clipping lets h reach 0 and 1 (Louizos et al., 2018). */
const STRETCH: f32 = 1.2;
const OFFSET: f32 = -0.1;

// @ts-expect-error: decorator
@inline
function clip(x: v128, low: f32, high: f32): v128 {
  return atMost(atLeast(x, f32x4.splat(low)), f32x4.splat(high));
}

/** h before its clip: 1.2·sigmoid(V) − 0.1. */
// @ts-expect-error: decorator
@inline
function stretched(gate: v128): v128 {
  return madd(gate, f32x4.splat(STRETCH), f32x4.splat(OFFSET));
}

/** 2h − 1. */
// @ts-expect-error: decorator
@inline
function centred(h: v128): v128 {
  return f32x4.sub(f32x4.add(h, h), f32x4.splat(1));
}

/** s·(clip(B + bits + z, 0, qmax) − z). */
// @ts-expect-error: decorator
@inline
function onGrid(base: v128, bits: v128, s: v128, z: v128, qmax: f32): v128 {
  return f32x4.mul(s, f32x4.sub(clip(f32x4.add(f32x4.add(base, bits), z), 0, qmax), z));
}

/** 1 − |2h − 1|^β. */
// @ts-expect-error: decorator
@inline
function undecided(h: v128, beta: f32): v128 {
  return f32x4.sub(f32x4.splat(1), pow(f32x4.abs(centred(h)), f32x4.splat(beta)));
}

/**
 * weights = s·(clip(B + h(V) + z, 0, qmax) − z); regularizer[0] = Σ (1 − |2h − 1|^β), or 0 where β = 0.
 *
 * @param logits, base, weights [rows·channels] @param step, zeroPoint [channels]
 * @param tables 2·channelPeriod(channels) floats of scratch
 */
export function softRound(
  logits: usize,
  step: usize,
  base: usize,
  zeroPoint: usize,
  weights: usize,
  regularizer: usize,
  count: i32,
  channels: i32,
  qmax: f32,
  beta: f32,
  tables: usize,
): void {
  const period = channelPeriod(channels);
  const zeros = tables + ((<usize>period) << 2);
  fillTable(tables, step, 1, channels, period);
  fillTable(zeros, zeroPoint, 0, channels, period);
  let total: f64 = 0;
  for (let row = 0; row < count; row += period) {
    const end = min(row + period, count);
    let sum = f32x4.splat(0);
    let i = row;
    for (; i + 4 <= end; i += 4) {
      const at = (<usize>i) << 2;
      const column = (<usize>(i - row)) << 2;
      const h = clip(stretched(sigmoid(v128.load(logits + at))), 0, 1);
      const s = v128.load(tables + column);
      const z = v128.load(zeros + column);
      v128.store(weights + at, onGrid(v128.load(base + at), h, s, z, qmax));
      if (beta > 0) sum = f32x4.add(sum, undecided(h, beta));
    }
    if (i < end) {
      const at = (<usize>i) << 2;
      const column = (<usize>(i - row)) << 2;
      const h = clip(stretched(sigmoid(loadTail(logits + at, end - i))), 0, 1);
      const s = v128.load(tables + column);
      const z = v128.load(zeros + column);
      storeTail(weights + at, onGrid(loadTail(base + at, end - i), h, s, z, qmax), end - i);
      if (beta > 0) sum = f32x4.add(sum, v128.and(undecided(h, beta), firstLanes(end - i)));
    }
    total += laneSum(sum);
  }
  store<f32>(regularizer, <f32>total);
}

/**
 * ∂/∂V of the weights and the regularizer together: h′·(dŵ·s where the grid's clip is open
 * − dR·2β·|2h − 1|^(β−1)·sign(2h − 1)), h′ = 1.2·σ(1 − σ) where h's own clip is open.
 *
 * @param pull −2β·dR, 0 where the regularizer is off
 */
// @ts-expect-error: decorator
@inline
function logitGradient(gate: v128, wide: v128, scaled: v128, beta: f32, pull: f32): v128 {
  let total = scaled;
  if (pull != 0) {
    const t = centred(clip(wide, 0, 1));
    const force = f32x4.mul(pow(f32x4.abs(t), f32x4.splat(beta - 1)), f32x4.splat(pull));
    total = f32x4.add(total, v128.xor(force, v128.and(t, i32x4.splat(0x80000000))));
  }
  const slope = f32x4.mul(f32x4.mul(gate, f32x4.splat(STRETCH)), f32x4.sub(f32x4.splat(1), gate));
  return v128.and(f32x4.mul(total, slope), isWithin(wide, 0, 1));
}

/** Closed at both ends, as torch.clamp's gradient. */
// @ts-expect-error: decorator
@inline
function isWithin(x: v128, low: f32, high: f32): v128 {
  return v128.and(f32x4.ge(x, f32x4.splat(low)), f32x4.le(x, f32x4.splat(high)));
}

/**
 * Gradients of `softRound` in one pass: dLogits [count] and dStep [channels], ∂ŵ/∂s = clip(…) − z.
 *
 * @param dRegularizer address of its gradient, which is ignored where β = 0
 * @param tables 5·channelPeriod(channels) floats of scratch
 */
export function softRoundGradient(
  logits: usize,
  step: usize,
  base: usize,
  zeroPoint: usize,
  dWeights: usize,
  dRegularizer: usize,
  dLogits: usize,
  dStep: usize,
  count: i32,
  channels: i32,
  qmax: f32,
  beta: f32,
  tables: usize,
): void {
  const period = channelPeriod(channels);
  const bytes = (<usize>period) << 2;
  const zeros = tables + bytes;
  const sums = zeros + bytes;
  const totals = sums + bytes;
  fillTable(tables, step, 1, channels, period);
  fillTable(zeros, zeroPoint, 0, channels, period);
  clearTable(sums, 3 * period);
  const pull: f32 = -2 * beta * load<f32>(dRegularizer);
  let pending = 0;
  for (let row = 0; row < count; row += period) {
    const end = min(row + period, count);
    let i = row;
    for (; i < end; i += 4) {
      const at = (<usize>i) << 2;
      const column = (<usize>(i - row)) << 2;
      const left = end - i;
      const isWhole = left >= 4;
      const gate = sigmoid(isWhole ? v128.load(logits + at) : loadTail(logits + at, left));
      const b = isWhole ? v128.load(base + at) : loadTail(base + at, left);
      const d = isWhole ? v128.load(dWeights + at) : loadTail(dWeights + at, left);
      const z = v128.load(zeros + column);
      const wide = stretched(gate);
      const code = f32x4.add(f32x4.add(b, clip(wide, 0, 1)), z);
      const scaled = v128.and(f32x4.mul(d, v128.load(tables + column)), isWithin(code, 0, qmax));
      const gradient = logitGradient(gate, wide, scaled, beta, pull);
      if (isWhole) v128.store(dLogits + at, gradient);
      else storeTail(dLogits + at, gradient, left);
      // Beyond the end d is 0, so nothing is added for lanes that do not exist.
      const terms = f32x4.mul(d, f32x4.sub(clip(code, 0, qmax), z));
      v128.store(sums + column, f32x4.add(v128.load(sums + column), terms));
    }
    if (++pending == BLOCK_ROWS) {
      flushSums(totals, sums, period);
      pending = 0;
    }
  }
  flushSums(totals, sums, period);
  foldSums(totals, dStep, 1, channels, period);
}

/**
 * The rounding decided: codes = clip(B + 1[V ≥ 0] + z, 0, qmax) and weights = s·(codes − z).
 *
 * @param tables 2·channelPeriod(channels) floats of scratch
 */
export function hardRound(
  logits: usize,
  step: usize,
  base: usize,
  zeroPoint: usize,
  codes: usize,
  weights: usize,
  count: i32,
  channels: i32,
  qmax: f32,
  tables: usize,
): void {
  const period = channelPeriod(channels);
  const zeros = tables + ((<usize>period) << 2);
  fillTable(tables, step, 1, channels, period);
  fillTable(zeros, zeroPoint, 0, channels, period);
  let column: usize = 0;
  for (let i = 0; i < count; i += 4) {
    const at = (<usize>i) << 2;
    const left = count - i;
    const isWhole = left >= 4;
    const v = isWhole ? v128.load(logits + at) : loadTail(logits + at, left);
    const b = isWhole ? v128.load(base + at) : loadTail(base + at, left);
    const z = v128.load(zeros + column);
    const up = v128.and(f32x4.ge(v, f32x4.splat(0)), f32x4.splat(1));
    const code = clip(f32x4.add(f32x4.add(b, up), z), 0, qmax);
    const weight = f32x4.mul(v128.load(tables + column), f32x4.sub(code, z));
    if (isWhole) {
      v128.store(codes + at, code);
      v128.store(weights + at, weight);
    } else {
      storeTail(codes + at, code, left);
      storeTail(weights + at, weight, left);
    }
    column += 16;
    if (column == (<usize>period) << 2) column = 0;
  }
}

/**
 * base = ⌊w/s⌋ and logits = −ln(1.2 / (w/s − base + 0.1) − 1), for which h(logits) = w/s − base.
 *
 * @param tables channelPeriod(channels) floats of scratch
 */
export function initialLogits(
  weights: usize,
  step: usize,
  base: usize,
  logits: usize,
  count: i32,
  channels: i32,
  tables: usize,
): void {
  const period = channelPeriod(channels);
  fillTable(tables, step, 1, channels, period);
  let column: usize = 0;
  for (let i = 0; i < count; i += 4) {
    const at = (<usize>i) << 2;
    const left = count - i;
    const isWhole = left >= 4;
    const w = isWhole ? v128.load(weights + at) : loadTail(weights + at, left);
    const u = f32x4.div(w, v128.load(tables + column));
    const floor = f32x4.floor(u);
    const shifted = f32x4.sub(f32x4.sub(u, floor), f32x4.splat(OFFSET));
    const odds = f32x4.sub(f32x4.div(f32x4.splat(STRETCH), shifted), f32x4.splat(1));
    const v = f32x4.neg(log(odds));
    if (isWhole) {
      v128.store(base + at, floor);
      v128.store(logits + at, v);
    } else {
      storeTail(base + at, floor, left);
      storeTail(logits + at, v, left);
    }
    column += 16;
    if (column == (<usize>period) << 2) column = 0;
  }
}
