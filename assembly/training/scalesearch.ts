/** What the search for a quantizer's scale measures. */
import { atLeast, atMost, pow } from "../math";
import { firstLanes, laneSum, loadUpTo4 } from "./tail";

/** The exponent of the error: between squared error and the L4 norm, as the published search has it. */
const NORM: f32 = 2.4;

/** Floats whose errors are summed in f32 before they are added to the f64 score. */
const BLOCK: i32 = 256;

/** range[0], range[1] = least and greatest of `count` ≥ 1 floats; NaN where there is one. */
export function valueRange(x: usize, count: i32, range: usize): void {
  let low = v128.load32_splat(x);
  let high = low;
  const whole = count & ~3;
  for (let i = 0; i < whole; i += 4) {
    const lanes = v128.load(x + ((<usize>i) << 2));
    low = f32x4.min(low, lanes);
    high = f32x4.max(high, lanes);
  }
  let least = min(
    min(f32x4.extract_lane(low, 0), f32x4.extract_lane(low, 1)),
    min(f32x4.extract_lane(low, 2), f32x4.extract_lane(low, 3)),
  );
  let greatest = max(
    max(f32x4.extract_lane(high, 0), f32x4.extract_lane(high, 1)),
    max(f32x4.extract_lane(high, 2), f32x4.extract_lane(high, 3)),
  );
  for (let i = whole; i < count; i++) {
    const value = load<f32>(x + ((<usize>i) << 2));
    least = min(least, value);
    greatest = max(greatest, value);
  }
  store<f32>(range, least);
  store<f32>(range, greatest, 4);
}

/** out[i] = x[(i·stride) mod length] for i < count, stride < length or count = 1. */
export function gather(x: usize, length: i32, stride: i32, count: i32, out: usize): void {
  let from = 0;
  for (let i = 0; i < count; i++) {
    store<f32>(out + ((<usize>i) << 2), load<f32>(x + ((<usize>from) << 2)));
    from += stride;
    if (from >= length) from -= length;
  }
}

/** |x − x̂|^2.4 in units of 1/unit. */
// @ts-expect-error: decorator
@inline
function distance(x: v128, s: v128, z: v128, qmin: f32, qmax: f32, unit: f32): v128 {
  const rounded = f32x4.add(f32x4.nearest(f32x4.div(x, s)), z);
  const code = atMost(atLeast(rounded, f32x4.splat(qmin)), f32x4.splat(qmax));
  const error = f32x4.sub(x, f32x4.mul(f32x4.sub(code, z), s));
  return pow(f32x4.mul(f32x4.abs(error), f32x4.splat(unit)), f32x4.splat(NORM));
}

/**
 * Σ (unit·|x − x̂|)^2.4 with x̂ = (clip(round(x/scale) + zeroPoint, qmin, qmax) − zeroPoint)·scale. The sum only
 * grows: it is given up, and returned as it is, as soon as it exceeds `bound`.
 *
 * @param unit 1 / (a typical size of x), which keeps the powers of tiny values in range
 */
export function quantizationScore(
  x: usize,
  count: i32,
  scale: f32,
  zeroPoint: f32,
  qmin: f32,
  qmax: f32,
  unit: f32,
  bound: f64,
): f64 {
  const s = f32x4.splat(scale);
  const z = f32x4.splat(zeroPoint);
  let score: f64 = 0;
  for (let block = 0; block < count; block += BLOCK) {
    const end = min(block + BLOCK, count);
    let sum = f32x4.splat(0);
    let i = block;
    // Four vectors share the constants of their powers, which V8 makes anew wherever they are used.
    for (; i + 16 <= end; i += 16) {
      const at = x + ((<usize>i) << 2);
      const d0 = distance(v128.load(at), s, z, qmin, qmax, unit);
      const d1 = distance(v128.load(at, 16), s, z, qmin, qmax, unit);
      const d2 = distance(v128.load(at, 32), s, z, qmin, qmax, unit);
      const d3 = distance(v128.load(at, 48), s, z, qmin, qmax, unit);
      sum = f32x4.add(sum, f32x4.add(f32x4.add(d0, d1), f32x4.add(d2, d3)));
    }
    for (; i < end; i += 4) {
      const left = min(end - i, 4);
      const d = distance(loadUpTo4(x + ((<usize>i) << 2), left), s, z, qmin, qmax, unit);
      sum = f32x4.add(sum, v128.and(d, firstLanes(left)));
    }
    score += laneSum(sum);
    if (score > bound) return score;
  }
  return score;
}
