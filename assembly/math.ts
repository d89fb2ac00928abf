/**
 * Elementary functions on four f32 lanes, as polynomials: no tables, no data segments.
 *
 * Errors are the largest found by `test/kernels/math.test.ts` against f64, in ULP of the f32 result.
 * Functions marked "same bits" use no `madd`, so both binaries agree on every bit; the others may differ in the
 * last bits between binaries and between machines that fuse and that do not.
 */
import { madd } from "./madd";

/** 1.5·2²³: adding it leaves the nearest integer (ties to even) in a float's low bits. */
const ROUNDER: f32 = 12582912.0;
const ROUNDER_BITS: i32 = 0x4b400000;
const LOG2_E: f32 = 1.44269504;
/** ln 2 in two parts; the first has 9 bits, so that its product with an exponent is exact. */
const LN2_HIGH: f32 = 0.693359375;
const LN2_LOW: f32 = -2.12194440e-4;
/** Bits of the float √½: mantissas are taken from [√½, √2). */
const SQRT_HALF_BITS: i32 = 0x3f3504f3;
const SMALLEST_NORMAL: f32 = 1.17549435e-38;

/** The lesser of x and limit; NaN in x stays NaN (f32x4.min would too, at several times the cost). */
// @ts-expect-error: decorator
@inline
export function atMost(x: v128, limit: v128): v128 {
  return f32x4.pmin(x, limit);
}

/** The greater of x and limit; NaN in x stays NaN. */
// @ts-expect-error: decorator
@inline
export function atLeast(x: v128, limit: v128): v128 {
  return f32x4.pmax(x, limit);
}

/** eˣ for n = round(x·log₂e) already taken out: e^(x − n·ln 2), a value in [0.70, 1.42]. */
// @ts-expect-error: decorator
@inline
function expReduced(x: v128, n: v128): v128 {
  const r = madd(n, f32x4.splat(-LN2_LOW), madd(n, f32x4.splat(-LN2_HIGH), x));
  let p = madd(f32x4.splat(0.00138189388), r, f32x4.splat(0.00836870354));
  p = madd(p, r, f32x4.splat(0.0416682884));
  p = madd(p, r, f32x4.splat(0.166665211));
  p = madd(p, r, f32x4.splat(0.49999994));
  return f32x4.add(madd(p, f32x4.mul(r, r), r), f32x4.splat(1));
}

/** eˣ, ≤ 1 ULP over the whole line, denormal results included; exp(≥ 88.73) = ∞, exp(≤ −104) = 0. */
// @ts-expect-error: decorator
@inline
export function exp(x: v128): v128 {
  const clamped = atMost(atLeast(x, f32x4.splat(-105)), f32x4.splat(89));
  const shifted = madd(clamped, f32x4.splat(LOG2_E), f32x4.splat(ROUNDER));
  const p = expReduced(clamped, f32x4.sub(shifted, f32x4.splat(ROUNDER)));
  // 2ⁿ in two factors, because n reaches from −151 to 128 and a float's exponent does not.
  const n = i32x4.sub(shifted, i32x4.splat(ROUNDER_BITS));
  const half = i32x4.shr_s(n, 1);
  const first = i32x4.shl(i32x4.add(half, i32x4.splat(127)), 23);
  const second = i32x4.shl(i32x4.add(i32x4.sub(n, half), i32x4.splat(127)), 23);
  return f32x4.mul(f32x4.mul(p, first), second);
}

/** eˣ, ≤ 1 ULP where −87.6 ≤ x ≤ 88.3; 0 below and ∞ above. Cheaper than `exp`. */
// @ts-expect-error: decorator
@inline
export function expFlush(x: v128): v128 {
  const clamped = atMost(atLeast(x, f32x4.splat(-88)), f32x4.splat(88.7));
  const shifted = madd(clamped, f32x4.splat(LOG2_E), f32x4.splat(ROUNDER));
  const p = expReduced(clamped, f32x4.sub(shifted, f32x4.splat(ROUNDER)));
  return f32x4.mul(p, powerOfTwo(shifted));
}

/** 2ⁿ from a float with n added to ROUNDER, −127 ≤ n ≤ 128: 0 for −127 and ∞ for 128. */
// @ts-expect-error: decorator
@inline
function powerOfTwo(shifted: v128): v128 {
  // The low nine bits of ROUNDER are zero: the shift drops the rest of it.
  return i32x4.shl(i32x4.add(shifted, i32x4.splat(127)), 23);
}

/** 1 / (1 + e⁻ˣ), ≤ 3 ULP where x ≥ −87; exactly 1 for x ≥ 17.4 and exactly 0 for x ≤ −88.4. */
// @ts-expect-error: decorator
@inline
export function sigmoid(x: v128): v128 {
  const one = f32x4.splat(1);
  return f32x4.div(one, f32x4.add(one, expFlush(f32x4.neg(x))));
}

/** tanh x, ≤ 2 ULP; odd in every bit, exactly ±1 where |x| ≥ 9.02. */
// @ts-expect-error: decorator
@inline
export function tanh(x: v128): v128 {
  const one = f32x4.splat(1);
  const magnitude = f32x4.abs(x);
  const u = expFlush(f32x4.mul(magnitude, f32x4.splat(-2)));
  const large = f32x4.div(f32x4.sub(one, u), f32x4.add(one, u));
  // Near 0 the difference above cancels: x + x³·P(x²) there.
  const square = f32x4.mul(x, x);
  let p = madd(f32x4.splat(-0.00589796668), square, f32x4.splat(0.0207986254));
  p = madd(p, square, f32x4.splat(-0.0537847169));
  p = madd(p, square, f32x4.splat(0.133319363));
  p = madd(p, square, f32x4.splat(-0.333332986));
  const small = madd(f32x4.mul(p, square), magnitude, magnitude);
  const result = v128.bitselect(small, large, f32x4.lt(magnitude, f32x4.splat(0.6)));
  return v128.bitselect(result, x, i32x4.splat(0x7fffffff));
}

/** ln x, ≤ 1 ULP, denormals included; ln 0 = −∞, NaN below 0. Same bits. */
// @ts-expect-error: decorator
@inline
export function log(x: v128): v128 {
  const denormal = f32x4.lt(x, f32x4.splat(SMALLEST_NORMAL));
  const normal = v128.bitselect(f32x4.mul(x, f32x4.splat(8388608)), x, denormal);
  const biased = i32x4.shr_s(i32x4.sub(normal, i32x4.splat(SQRT_HALF_BITS)), 23);
  const exponent = i32x4.sub(biased, v128.and(denormal, i32x4.splat(23)));
  const e = f32x4.convert_i32x4_s(exponent);
  const f = f32x4.sub(i32x4.sub(normal, i32x4.shl(biased, 23)), f32x4.splat(1));
  const square = f32x4.mul(f, f);
  let p = f32x4.add(f32x4.mul(f32x4.splat(0.0674926937), f), f32x4.splat(-0.116700985));
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(0.118835486));
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(-0.124062337));
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(0.142203584));
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(-0.166679889));
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(0.200020716));
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(-0.250000089));
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(0.333333135));
  // ln x = e·ln 2 + f − f²/2 + f³·P(f), smallest terms first.
  let low = f32x4.mul(f32x4.mul(p, f), square);
  low = f32x4.add(low, f32x4.mul(e, f32x4.splat(LN2_LOW)));
  low = f32x4.sub(low, f32x4.mul(square, f32x4.splat(0.5)));
  let result = f32x4.add(f32x4.add(low, f), f32x4.mul(e, f32x4.splat(LN2_HIGH)));
  result = v128.bitselect(result, x, f32x4.lt(x, f32x4.splat(Infinity)));
  result = v128.bitselect(f32x4.splat(-Infinity), result, f32x4.eq(x, f32x4.splat(0)));
  return v128.or(result, f32x4.lt(x, f32x4.splat(0)));
}

/**
 * xᵖ for x ≥ 0 and p ≥ 1: relative error ≤ 2⁻²⁴·(4 + 2·|p·log₂ x|), results under 2⁻¹²⁶ are 0; exactly 1 for
 * x = 1, exactly 0 for x = 0.
 */
// @ts-expect-error: decorator
@inline
export function pow(x: v128, p: v128): v128 {
  return exp2Flush(f32x4.mul(log2(x), p));
}

/** log₂ x for normal x > 0; about −127 for 0. */
// @ts-expect-error: decorator
@inline
function log2(x: v128): v128 {
  const exponent = i32x4.shr_s(i32x4.sub(x, i32x4.splat(SQRT_HALF_BITS)), 23);
  const f = f32x4.sub(i32x4.sub(x, i32x4.shl(exponent, 23)), f32x4.splat(1));
  let p = madd(f32x4.splat(0.125843421), f, f32x4.splat(-0.206787467));
  p = madd(p, f, f32x4.splat(0.21548076));
  p = madd(p, f, f32x4.splat(-0.239014849));
  p = madd(p, f, f32x4.splat(0.287953496));
  p = madd(p, f, f32x4.splat(-0.360700577));
  p = madd(p, f, f32x4.splat(0.48090896));
  p = madd(p, f, f32x4.splat(-0.721347392));
  p = madd(p, f, f32x4.splat(1.44269502));
  return madd(p, f, f32x4.convert_i32x4_s(exponent));
}

/** 2ˣ; 0 for x ≤ −127 and ∞ for x ≥ 127.5. */
// @ts-expect-error: decorator
@inline
function exp2Flush(x: v128): v128 {
  const clamped = atMost(atLeast(x, f32x4.splat(-127)), f32x4.splat(128));
  const shifted = f32x4.add(clamped, f32x4.splat(ROUNDER));
  const r = f32x4.sub(clamped, f32x4.sub(shifted, f32x4.splat(ROUNDER)));
  let p = madd(f32x4.splat(0.000153267814), r, f32x4.splat(0.00133910251));
  p = madd(p, r, f32x4.splat(0.00961850584));
  p = madd(p, r, f32x4.splat(0.0555035956));
  p = madd(p, r, f32x4.splat(0.240226477));
  p = madd(p, r, f32x4.splat(0.693147182));
  return f32x4.mul(madd(p, r, f32x4.splat(1)), powerOfTwo(shifted));
}

/**
 * sin 2πu for u in [0, 1] that is a multiple of 2⁻²⁴ (reduction is then exact): ≤ 2 ULP, absolute error
 * ≤ 2⁻²³. Same bits.
 */
// @ts-expect-error: decorator
@inline
export function sinTurns(u: v128): v128 {
  return quarterWave(u, 0);
}

/** cos 2πu; otherwise as `sinTurns`. */
// @ts-expect-error: decorator
@inline
export function cosTurns(u: v128): v128 {
  return quarterWave(u, 1);
}

/** sin 2π(u + phase/4): sine or cosine of the rest after the nearest quarter turn, with that quarter's sign. */
// @ts-expect-error: decorator
@inline
function quarterWave(u: v128, phase: i32): v128 {
  const shifted = f32x4.add(f32x4.mul(u, f32x4.splat(4)), f32x4.splat(ROUNDER));
  const quarters = f32x4.sub(shifted, f32x4.splat(ROUNDER));
  const r = f32x4.sub(u, f32x4.mul(quarters, f32x4.splat(0.25)));
  const square = f32x4.mul(r, r);
  let s = f32x4.add(f32x4.mul(f32x4.splat(-75.4275436), square), f32x4.splat(81.5934296));
  s = f32x4.add(f32x4.mul(s, square), f32x4.splat(-41.341671));
  // 2π in two parts: its first float alone is off by half an ULP.
  s = f32x4.add(f32x4.mul(s, square), f32x4.splat(-1.74845553e-7));
  s = f32x4.add(f32x4.mul(s, r), f32x4.mul(r, f32x4.splat(6.28318548)));
  let c = f32x4.add(f32x4.mul(f32x4.splat(58.6192017), square), f32x4.splat(-85.4245071));
  c = f32x4.add(f32x4.mul(c, square), f32x4.splat(64.9391479));
  c = f32x4.add(f32x4.mul(c, square), f32x4.splat(-19.7392082));
  c = f32x4.add(f32x4.mul(c, square), f32x4.splat(1));
  const quarter = i32x4.add(shifted, i32x4.splat(phase));
  const isOdd = i32x4.shr_s(i32x4.shl(quarter, 31), 31);
  const sign = i32x4.shl(i32x4.shr_u(v128.and(quarter, i32x4.splat(2)), 1), 31);
  return v128.xor(v128.bitselect(c, s, isOdd), sign);
}

/** eˣ − 1 for x ≤ 0, ≤ 4 ULP: 2·t/(1 − t) with t = tanh(x/2), which cancels nowhere. */
// @ts-expect-error: decorator
@inline
export function expMinusOne(x: v128): v128 {
  const t = tanh(f32x4.mul(x, f32x4.splat(0.5)));
  return f32x4.div(f32x4.add(t, t), f32x4.sub(f32x4.splat(1), t));
}

/** ln(1 + eˣ), ≤ 3 ULP where x ≥ −87. */
// @ts-expect-error: decorator
@inline
export function softplus(x: v128): v128 {
  const one = f32x4.splat(1);
  const u = expFlush(f32x4.neg(f32x4.abs(x)));
  // What 1 + u loses of u is made up for: ln(1 + u) = u · ln(w)/(w − 1) with w = 1 + u as rounded (Kahan).
  const w = f32x4.add(one, u);
  const ratio = f32x4.div(log(w), f32x4.sub(w, one));
  const small = v128.bitselect(u, f32x4.mul(u, ratio), f32x4.eq(w, one));
  return f32x4.add(f32x4.pmax(x, f32x4.splat(0)), small);
}

/** erf x = 2/√π · ∫₀ˣ exp(−t²) dt, ≤ 2 ULP; odd in every bit, exactly ±1 where |x| ≥ 4. */
// @ts-expect-error: decorator
@inline
export function erf(x: v128): v128 {
  const magnitude = f32x4.abs(x);
  const square = f32x4.mul(x, x);
  let p = madd(f32x4.splat(8.3825245e-5), square, f32x4.splat(-0.0008145635));
  p = madd(p, square, f32x4.splat(0.00520129));
  p = madd(p, square, f32x4.splat(-0.026859501));
  p = madd(p, square, f32x4.splat(0.11283697));
  p = madd(p, square, f32x4.splat(-0.37612635));
  p = madd(p, square, f32x4.splat(0.12837917));
  const small = madd(p, magnitude, magnitude);
  // 1 − exp(−a·Q(a)) beyond, with −ln(1 − erf a) = a·Q(a) up to 4.
  const a = atMost(magnitude, f32x4.splat(4));
  let q = madd(f32x4.splat(1.0838406e-5), a, f32x4.splat(-0.00031888357));
  q = madd(q, a, f32x4.splat(0.0036265731));
  q = madd(q, a, f32x4.splat(-0.023728587));
  q = madd(q, a, f32x4.splat(0.10619817));
  q = madd(q, a, f32x4.splat(0.63517463));
  q = madd(q, a, f32x4.splat(1.1286428));
  const large = f32x4.sub(f32x4.splat(1), expFlush(f32x4.neg(f32x4.mul(q, a))));
  const result = v128.bitselect(small, large, f32x4.lt(magnitude, f32x4.splat(0.92)));
  return v128.bitselect(result, x, i32x4.splat(0x7fffffff));
}

/**
 * aᵇ as libm defines it but for signed zeros and infinite b: relative error ≤ 2⁻²⁴·(4 + 2·|b·log₂ a|), results under
 * 2⁻¹²⁶ are 0; NaN for a negative a and a b that is no integer.
 */
// @ts-expect-error: decorator
@inline
export function power(a: v128, b: v128): v128 {
  const zero = f32x4.splat(0);
  const one = f32x4.splat(1);
  const magnitude = f32x4.abs(a);
  const normal = f32x4.lt(magnitude, f32x4.splat(Infinity));
  let result = exp2Flush(f32x4.mul(log2(magnitude), b));
  // 0 and ∞ go to 0 or ∞ by the sign of b.
  const rises = v128.xor(f32x4.gt(b, zero), f32x4.eq(magnitude, zero));
  const limit = v128.and(f32x4.splat(Infinity), rises);
  result = v128.bitselect(result, limit, v128.and(normal, f32x4.ge(magnitude, f32x4.splat(SMALLEST_NORMAL))));
  const isWhole = f32x4.eq(f32x4.trunc(b), b);
  const half = f32x4.mul(b, f32x4.splat(0.5));
  const isOdd = v128.andnot(isWhole, f32x4.eq(f32x4.trunc(half), half));
  const isNegative = f32x4.lt(a, zero);
  result = v128.xor(result, v128.and(v128.and(isNegative, isOdd), i32x4.splat(0x80000000)));
  result = v128.or(result, v128.andnot(isNegative, isWhole));
  // NaN in either comes through; but anything to the power of 0 is 1.
  const isOrdered = v128.and(f32x4.eq(a, a), f32x4.eq(b, b));
  result = v128.or(result, v128.not(isOrdered));
  return v128.bitselect(one, result, f32x4.eq(b, zero));
}
