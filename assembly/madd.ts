/** The one place that knows whether relaxed SIMD is on. */

/** a·b + c, four lanes: fused (one rounding) in the relaxed binary, two roundings in the baseline. */
// @ts-expect-error: decorator
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}
