/** Fake quantization of activations: LSQ (Esser et al., 2020) with QDrop (Wei et al., 2022). */
import { atLeast, atMost } from "../math";
import { MASK_RUN, maskLanes, maskRun } from "./random";
import { firstLanes, laneSum, loadTail, storeTail } from "./tail";

/** round(clip(u, qmin, qmax)), ties to even. */
// @ts-expect-error: decorator
@inline
function roundClipped(u: v128, qmin: f32, qmax: f32): v128 {
  return f32x4.nearest(atMost(atLeast(u, f32x4.splat(qmin)), f32x4.splat(qmax)));
}

/**
 * out = dropped ? v : s·round(clip(v/s, qmin, qmax)); an element is dropped with probability threshold·2⁻¹⁶.
 *
 * @param step address of s
 * @param spare 128 bytes of scratch
 */
export function fakeQuantize(
  v: usize,
  step: usize,
  out: usize,
  count: i32,
  qmin: f32,
  qmax: f32,
  threshold: i32,
  seed: i32,
  stream: i32,
  spare: usize,
): void {
  const s = v128.load32_splat(step);
  for (let run = 0; run < count; run += MASK_RUN) {
    let bits = maskRun(spare, run, threshold, seed, stream);
    const end = min(run + MASK_RUN, count);
    let i = run;
    for (; i + 4 <= end; i += 4) {
      const at = (<usize>i) << 2;
      const x = v128.load(v + at);
      const quantized = f32x4.mul(roundClipped(f32x4.div(x, s), qmin, qmax), s);
      v128.store(out + at, v128.bitselect(x, quantized, maskLanes(bits)));
      bits = i32x4.shl(bits, 1);
    }
    if (i < end) {
      const at = (<usize>i) << 2;
      const x = loadTail(v + at, end - i);
      const quantized = f32x4.mul(roundClipped(f32x4.div(x, s), qmin, qmax), s);
      storeTail(out + at, v128.bitselect(x, quantized, maskLanes(bits)), end - i);
    }
  }
}

/** dv where the element is dropped or inside the clip range, else 0. */
// @ts-expect-error: decorator
@inline
function inputGradient(dy: v128, inside: v128, dropped: v128): v128 {
  return v128.and(dy, v128.or(inside, dropped));
}

/** dy·∂v̂/∂s: dy·(round(u) − u) inside the clip range, dy·q outside, 0 where dropped. */
// @ts-expect-error: decorator
@inline
function stepGradient(dy: v128, u: v128, inside: v128, dropped: v128, qmin: f32, qmax: f32): v128 {
  const slope = f32x4.sub(roundClipped(u, qmin, qmax), v128.and(u, inside));
  return v128.andnot(f32x4.mul(dy, slope), dropped);
}

// @ts-expect-error: decorator
@inline
function insideRange(u: v128, qmin: f32, qmax: f32): v128 {
  return v128.and(f32x4.ge(u, f32x4.splat(qmin)), f32x4.le(u, f32x4.splat(qmax)));
}

/** Gradients of `fakeQuantize` with the same mask: dv [count] and ds [1]; the clip range is closed. */
export function fakeQuantizeGradient(
  v: usize,
  step: usize,
  dy: usize,
  dv: usize,
  ds: usize,
  count: i32,
  qmin: f32,
  qmax: f32,
  threshold: i32,
  seed: i32,
  stream: i32,
  spare: usize,
): void {
  const s = v128.load32_splat(step);
  let total: f64 = 0;
  for (let run = 0; run < count; run += MASK_RUN) {
    let bits = maskRun(spare, run, threshold, seed, stream);
    const end = min(run + MASK_RUN, count);
    let sum = f32x4.splat(0);
    let i = run;
    for (; i + 4 <= end; i += 4) {
      const at = (<usize>i) << 2;
      const u = f32x4.div(v128.load(v + at), s);
      const d = v128.load(dy + at);
      const inside = insideRange(u, qmin, qmax);
      const dropped = maskLanes(bits);
      v128.store(dv + at, inputGradient(d, inside, dropped));
      sum = f32x4.add(sum, stepGradient(d, u, inside, dropped, qmin, qmax));
      bits = i32x4.shl(bits, 1);
    }
    if (i < end) {
      const at = (<usize>i) << 2;
      const u = f32x4.div(loadTail(v + at, end - i), s);
      const d = loadTail(dy + at, end - i);
      const inside = insideRange(u, qmin, qmax);
      const dropped = maskLanes(bits);
      storeTail(dv + at, inputGradient(d, inside, dropped), end - i);
      const terms = stepGradient(d, u, inside, dropped, qmin, qmax);
      sum = f32x4.add(sum, v128.and(terms, firstLanes(end - i)));
    }
    total += laneSum(sum);
  }
  store<f32>(ds, <f32>total);
}

/** (clip(round(x/scale) + zeroPoint, qmin, qmax) − zeroPoint)·scale, ties to even: QuantizeLinear and back. */
// @ts-expect-error: decorator
@inline
function throughGrid(x: v128, scale: v128, zeroPoint: v128, qmin: f32, qmax: f32): v128 {
  const rounded = f32x4.add(f32x4.nearest(f32x4.div(x, scale)), zeroPoint);
  const code = atMost(atLeast(rounded, f32x4.splat(qmin)), f32x4.splat(qmax));
  return f32x4.mul(f32x4.sub(code, zeroPoint), scale);
}

/** out = x quantized and dequantized, per tensor. */
export function quantizeDequantize(
  x: usize,
  out: usize,
  count: i32,
  scale: f32,
  zeroPoint: f32,
  qmin: f32,
  qmax: f32,
): void {
  const s = f32x4.splat(scale);
  const z = f32x4.splat(zeroPoint);
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    const at = (<usize>i) << 2;
    v128.store(out + at, throughGrid(v128.load(x + at), s, z, qmin, qmax));
  }
  if (i < count) {
    const at = (<usize>i) << 2;
    storeTail(out + at, throughGrid(loadTail(x + at, count - i), s, z, qmin, qmax), count - i);
  }
}

/** out = bit ? quantized : x, the bit 1 with probability threshold·2⁻¹⁶. `spare`: 128 bytes of scratch. */
export function mixInputs(
  x: usize,
  quantized: usize,
  out: usize,
  count: i32,
  threshold: i32,
  seed: i32,
  stream: i32,
  spare: usize,
): void {
  for (let run = 0; run < count; run += MASK_RUN) {
    let bits = maskRun(spare, run, threshold, seed, stream);
    const end = min(run + MASK_RUN, count);
    let i = run;
    for (; i + 4 <= end; i += 4) {
      const at = (<usize>i) << 2;
      v128.store(out + at, v128.bitselect(v128.load(quantized + at), v128.load(x + at), maskLanes(bits)));
      bits = i32x4.shl(bits, 1);
    }
    if (i < end) {
      const at = (<usize>i) << 2;
      const mixed = v128.bitselect(loadTail(quantized + at, end - i), loadTail(x + at, end - i), maskLanes(bits));
      storeTail(out + at, mixed, end - i);
    }
  }
}
