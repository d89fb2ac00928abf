/**
 * GENIE-M's weight quantizer: step size and rounding learned together, the base frozen.
 *
 * Weights are [K, O] with the output channel last, read as virtual rows (see `channels.ts`). The training loops
 * take four vectors at a time: V8 makes a vector constant anew wherever it is used, and the polynomials have
 * some twenty of them; shared by four vectors they cost half as much.
 */
import { BLOCK_ROWS, channelPeriod, clearTable, fillTable, flushSums, foldSums } from "./channels";
import { madd } from "../madd";
import { atLeast, atMost, log, pow, sigmoid } from "../math";
import { firstLanes, laneSum, loadUpTo4, storeUpTo4 } from "./tail";

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

/** h(V). */
// @ts-expect-error: decorator
@inline
function softBit(logits: v128): v128 {
  return clip(stretched(sigmoid(logits)), 0, 1);
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
    for (; i + 16 <= end; i += 16) {
      const at = (<usize>i) << 2;
      const column = (<usize>(i - row)) << 2;
      const h0 = softBit(v128.load(logits + at));
      const h1 = softBit(v128.load(logits + at, 16));
      const h2 = softBit(v128.load(logits + at, 32));
      const h3 = softBit(v128.load(logits + at, 48));
      const s = tables + column;
      const z = zeros + column;
      const b = base + at;
      const out = weights + at;
      v128.store(out, onGrid(v128.load(b), h0, v128.load(s), v128.load(z), qmax));
      v128.store(out, onGrid(v128.load(b, 16), h1, v128.load(s, 16), v128.load(z, 16), qmax), 16);
      v128.store(out, onGrid(v128.load(b, 32), h2, v128.load(s, 32), v128.load(z, 32), qmax), 32);
      v128.store(out, onGrid(v128.load(b, 48), h3, v128.load(s, 48), v128.load(z, 48), qmax), 48);
      if (beta > 0) {
        const first = f32x4.add(undecided(h0, beta), undecided(h1, beta));
        sum = f32x4.add(sum, f32x4.add(first, f32x4.add(undecided(h2, beta), undecided(h3, beta))));
      }
    }
    for (; i < end; i += 4) {
      const at = (<usize>i) << 2;
      const column = (<usize>(i - row)) << 2;
      const left = min(end - i, 4);
      const h = softBit(loadUpTo4(logits + at, left));
      const s = v128.load(tables + column);
      const z = v128.load(zeros + column);
      storeUpTo4(weights + at, onGrid(loadUpTo4(base + at, left), h, s, z, qmax), left);
      if (beta > 0) sum = f32x4.add(sum, v128.and(undecided(h, beta), firstLanes(left)));
    }
    total += laneSum(sum);
  }
  store<f32>(regularizer, <f32>total);
}

/** pull·|2h − 1|^(β−1)·sign(2h − 1): with pull = −2β·dR, dR·∂R/∂h. */
// @ts-expect-error: decorator
@inline
function decision(gate: v128, beta: f32, pull: f32): v128 {
  const t = centred(clip(stretched(gate), 0, 1));
  const force = f32x4.mul(pow(f32x4.abs(t), f32x4.splat(beta - 1)), f32x4.splat(pull));
  return v128.xor(force, v128.and(t, i32x4.splat(0x80000000)));
}

/** h′·(dŵ·s where the grid's clip is open + force), h′ = 1.2·σ(1 − σ) where h's own clip is open. */
// @ts-expect-error: decorator
@inline
function logitGradient(gate: v128, code: v128, d: v128, s: v128, force: v128, qmax: f32): v128 {
  const total = f32x4.add(v128.and(f32x4.mul(d, s), isWithin(code, 0, qmax)), force);
  const slope = f32x4.mul(f32x4.mul(gate, f32x4.splat(STRETCH)), f32x4.sub(f32x4.splat(1), gate));
  return v128.and(f32x4.mul(total, slope), isWithin(stretched(gate), 0, 1));
}

/** The code before its clip: B + h + z. */
// @ts-expect-error: decorator
@inline
function softCode(gate: v128, base: v128, z: v128): v128 {
  return f32x4.add(f32x4.add(base, clip(stretched(gate), 0, 1)), z);
}

/** sums += d·(clip(code) − z). */
// @ts-expect-error: decorator
@inline
function addStepGradient(sums: usize, d: v128, code: v128, z: v128, qmax: f32): void {
  v128.store(sums, madd(d, f32x4.sub(clip(code, 0, qmax), z), v128.load(sums)));
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
    for (; i + 16 <= end; i += 16) {
      const at = (<usize>i) << 2;
      const column = (<usize>(i - row)) << 2;
      const v = logits + at;
      const gate0 = sigmoid(v128.load(v));
      const gate1 = sigmoid(v128.load(v, 16));
      const gate2 = sigmoid(v128.load(v, 32));
      const gate3 = sigmoid(v128.load(v, 48));
      let force0 = f32x4.splat(0);
      let force1 = force0;
      let force2 = force0;
      let force3 = force0;
      if (pull != 0) {
        force0 = decision(gate0, beta, pull);
        force1 = decision(gate1, beta, pull);
        force2 = decision(gate2, beta, pull);
        force3 = decision(gate3, beta, pull);
      }
      const z0 = v128.load(zeros + column);
      const z1 = v128.load(zeros + column, 16);
      const z2 = v128.load(zeros + column, 32);
      const z3 = v128.load(zeros + column, 48);
      const code0 = softCode(gate0, v128.load(base + at), z0);
      const code1 = softCode(gate1, v128.load(base + at, 16), z1);
      const code2 = softCode(gate2, v128.load(base + at, 32), z2);
      const code3 = softCode(gate3, v128.load(base + at, 48), z3);
      const d0 = v128.load(dWeights + at);
      const d1 = v128.load(dWeights + at, 16);
      const d2 = v128.load(dWeights + at, 32);
      const d3 = v128.load(dWeights + at, 48);
      const s = tables + column;
      const dv = dLogits + at;
      v128.store(dv, logitGradient(gate0, code0, d0, v128.load(s), force0, qmax));
      v128.store(dv, logitGradient(gate1, code1, d1, v128.load(s, 16), force1, qmax), 16);
      v128.store(dv, logitGradient(gate2, code2, d2, v128.load(s, 32), force2, qmax), 32);
      v128.store(dv, logitGradient(gate3, code3, d3, v128.load(s, 48), force3, qmax), 48);
      addStepGradient(sums + column, d0, code0, z0, qmax);
      addStepGradient(sums + column + 16, d1, code1, z1, qmax);
      addStepGradient(sums + column + 32, d2, code2, z2, qmax);
      addStepGradient(sums + column + 48, d3, code3, z3, qmax);
    }
    for (; i < end; i += 4) {
      const at = (<usize>i) << 2;
      const column = (<usize>(i - row)) << 2;
      const left = min(end - i, 4);
      const gate = sigmoid(loadUpTo4(logits + at, left));
      const force = pull != 0 ? decision(gate, beta, pull) : f32x4.splat(0);
      const z = v128.load(zeros + column);
      const code = softCode(gate, loadUpTo4(base + at, left), z);
      const d = loadUpTo4(dWeights + at, left);
      const gradient = logitGradient(gate, code, d, v128.load(tables + column), force, qmax);
      storeUpTo4(dLogits + at, gradient, left);
      // Beyond the end d is 0, so nothing is added for lanes that do not exist.
      addStepGradient(sums + column, d, code, z, qmax);
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
 * The rounding decided: codes = clip(B + 1[V ≥ 0] + z, 0, qmax).
 *
 * @param zeros channelPeriod(channels) floats of scratch
 */
export function hardRound(
  logits: usize,
  base: usize,
  zeroPoint: usize,
  codes: usize,
  count: i32,
  channels: i32,
  qmax: f32,
  zeros: usize,
): void {
  const period = channelPeriod(channels);
  fillTable(zeros, zeroPoint, 0, channels, period);
  let column: usize = 0;
  for (let i = 0; i < count; i += 4) {
    const at = (<usize>i) << 2;
    const left = min(count - i, 4);
    const v = loadUpTo4(logits + at, left);
    const b = loadUpTo4(base + at, left);
    const z = v128.load(zeros + column);
    const up = v128.and(f32x4.ge(v, f32x4.splat(0)), f32x4.splat(1));
    storeUpTo4(codes + at, clip(f32x4.add(f32x4.add(b, up), z), 0, qmax), left);
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
    const left = min(count - i, 4);
    const w = loadUpTo4(weights + at, left);
    const u = f32x4.div(w, v128.load(tables + column));
    const floor = f32x4.floor(u);
    const shifted = f32x4.sub(f32x4.sub(u, floor), f32x4.splat(OFFSET));
    const odds = f32x4.sub(f32x4.div(f32x4.splat(STRETCH), shifted), f32x4.splat(1));
    const v = f32x4.neg(log(odds));
    storeUpTo4(base + at, floor, left);
    storeUpTo4(logits + at, v, left);
    column += 16;
    if (column == (<usize>period) << 2) column = 0;
  }
}
