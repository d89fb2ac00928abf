/** Adam (Kingma and Ba, 2015), as torch.optim.Adam computes it. */
import { madd } from "../madd";
import { loadTail, storeTail } from "./tail";

// @ts-expect-error: decorator
@inline
function firstMoment(m: v128, g: v128, beta1: f32, rest1: f32): v128 {
  return madd(m, f32x4.splat(beta1), f32x4.mul(g, f32x4.splat(rest1)));
}

// @ts-expect-error: decorator
@inline
function secondMoment(v: v128, g: v128, beta2: f32, rest2: f32): v128 {
  return madd(v, f32x4.splat(beta2), f32x4.mul(f32x4.mul(g, g), f32x4.splat(rest2)));
}

// @ts-expect-error: decorator
@inline
function moved(p: v128, m: v128, v: v128, rate: v128, correction: f32, epsilon: f32): v128 {
  const denominator = madd(f32x4.sqrt(v), f32x4.splat(correction), f32x4.splat(epsilon));
  return f32x4.sub(p, f32x4.div(f32x4.mul(m, rate), denominator));
}

/**
 * m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²; p ← p − rate·factor·m / (√v·correction + ε), all in place.
 *
 * @param factors one for each element; 0 for a factor of 1
 * @param rate learning rate / (1 − β₁ᵗ)
 * @param correction 1 / √(1 − β₂ᵗ)
 * @param rest1 1 − β₁, and rest2 1 − β₂: in f32 the difference would lose half its digits
 */
export function adamUpdate(
  parameter: usize,
  moment1: usize,
  moment2: usize,
  gradient: usize,
  factors: usize,
  count: i32,
  rate: f32,
  correction: f32,
  beta1: f32,
  rest1: f32,
  beta2: f32,
  rest2: f32,
  epsilon: f32,
): void {
  const common = f32x4.splat(rate);
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    const at = (<usize>i) << 2;
    const g = v128.load(gradient + at);
    const m = firstMoment(v128.load(moment1 + at), g, beta1, rest1);
    const v = secondMoment(v128.load(moment2 + at), g, beta2, rest2);
    v128.store(moment1 + at, m);
    v128.store(moment2 + at, v);
    const own = factors ? f32x4.mul(common, v128.load(factors + at)) : common;
    v128.store(parameter + at, moved(v128.load(parameter + at), m, v, own, correction, epsilon));
  }
  if (i < count) {
    const at = (<usize>i) << 2;
    const left = count - i;
    const g = loadTail(gradient + at, left);
    const m = firstMoment(loadTail(moment1 + at, left), g, beta1, rest1);
    const v = secondMoment(loadTail(moment2 + at, left), g, beta2, rest2);
    storeTail(moment1 + at, m, left);
    storeTail(moment2 + at, v, left);
    const own = factors ? f32x4.mul(common, loadTail(factors + at, left)) : common;
    storeTail(parameter + at, moved(loadTail(parameter + at, left), m, v, own, correction, epsilon), left);
  }
}
