/** The smooth activations of `activation.ts` on four lanes, and their derivatives by z; the same codes and parameters. */
import { erf, exp, expFlush, expMinusOne, log, sigmoid, softplus, tanh } from "../math";

export const EXP: i32 = 8;
export const LOG: i32 = 9;
export const SQRT: i32 = 10;
export const ABS: i32 = 11;
export const RECIPROCAL: i32 = 12;
export const ERF: i32 = 13;
/** z ≥ 0 ? z : p0·(e^z − 1) */
export const ELU: i32 = 14;
/** p1 · (z ≥ 0 ? z : p0·(e^z − 1)) */
export const SELU: i32 = 15;
/** z/2 · (1 + erf(z/√2)) */
export const GELU: i32 = 16;
/** z/2 · (1 + tanh(√(2/π)·(z + 0.044715·z³))) */
export const GELU_TANH: i32 = 17;
/** z · sigmoid(z) */
export const SILU: i32 = 18;
/** z · tanh(ln(1 + e^z)) */
export const MISH: i32 = 19;
export const SOFTPLUS: i32 = 20;
/** z/(1 + |z|) */
export const SOFTSIGN: i32 = 21;
/** z > p0 ? z : 0 */
export const THRESHOLDED_RELU: i32 = 22;

const SQRT_HALF: f32 = 0.70710678;
const TWO_OVER_SQRT_PI: f32 = 1.1283792;
/** 1/√(2π) */
const GAUSS_PEAK: f32 = 0.39894228;
/** √(2/π) and its product with 0.044715 */
const GELU_LINEAR: f32 = 0.79788456;
const GELU_CUBIC: f32 = 0.035677408;
/** Where mish is z to the last bit, and e^z squared still a float. */
const MISH_LINEAR: f32 = 20;

// @ts-expect-error: decorator
@inline
export function smooth(kind: i32, z: v128, p0: v128, p1: v128): v128 {
  const one = f32x4.splat(1);
  const half = f32x4.splat(0.5);
  switch (kind) {
    case EXP: return exp(z);
    case LOG: return log(z);
    case SQRT: return f32x4.sqrt(z);
    case ABS: return f32x4.abs(z);
    case RECIPROCAL: return f32x4.div(one, z);
    case ERF: return erf(z);
    case ELU: return exponentialUnit(z, p0);
    case SELU: return f32x4.mul(p1, exponentialUnit(z, p0));
    case GELU: return f32x4.mul(f32x4.mul(z, half), f32x4.add(one, erf(f32x4.mul(z, f32x4.splat(SQRT_HALF)))));
    case GELU_TANH: return f32x4.mul(f32x4.mul(z, half), f32x4.add(one, tanh(geluArgument(z))));
    case SILU: return f32x4.mul(z, sigmoid(z));
    case MISH: {
      const e = expFlush(f32x4.pmin(z, f32x4.splat(MISH_LINEAR)));
      const n = f32x4.mul(e, f32x4.add(e, f32x4.splat(2)));
      return f32x4.mul(z, f32x4.div(n, f32x4.add(n, f32x4.splat(2))));
    }
    case SOFTPLUS: return softplus(z);
    case SOFTSIGN: return f32x4.div(z, f32x4.add(one, f32x4.abs(z)));
    default: return v128.and(z, f32x4.gt(z, p0));
  }
}

// @ts-expect-error: decorator
@inline
export function smoothGradient(kind: i32, dy: v128, z: v128, p0: v128, p1: v128): v128 {
  return f32x4.mul(dy, derivative(kind, z, p0, p1));
}

// @ts-expect-error: decorator
@inline
function derivative(kind: i32, z: v128, p0: v128, p1: v128): v128 {
  const zero = f32x4.splat(0);
  const one = f32x4.splat(1);
  const half = f32x4.splat(0.5);
  switch (kind) {
    case EXP: return exp(z);
    case LOG: return f32x4.div(one, z);
    case SQRT: return f32x4.div(half, f32x4.sqrt(z));
    // 0 at 0.
    case ABS: return v128.and(v128.or(one, v128.and(z, i32x4.splat(0x80000000))), f32x4.ne(z, zero));
    case RECIPROCAL: return f32x4.div(f32x4.splat(-1), f32x4.mul(z, z));
    case ERF: return f32x4.mul(f32x4.splat(TWO_OVER_SQRT_PI), exp(f32x4.neg(f32x4.mul(z, z))));
    case ELU: return exponentialSlope(z, p0);
    case SELU: return f32x4.mul(p1, exponentialSlope(z, p0));
    case GELU: {
      const share = f32x4.mul(half, f32x4.add(one, erf(f32x4.mul(z, f32x4.splat(SQRT_HALF)))));
      const density = f32x4.mul(f32x4.splat(GAUSS_PEAK), exp(f32x4.mul(f32x4.mul(z, z), f32x4.splat(-0.5))));
      return f32x4.add(share, f32x4.mul(z, density));
    }
    case GELU_TANH: {
      const t = tanh(geluArgument(z));
      const square = f32x4.mul(z, z);
      const slope = f32x4.add(f32x4.splat(GELU_LINEAR), f32x4.mul(square, f32x4.splat(3 * GELU_CUBIC)));
      const curve = f32x4.mul(f32x4.mul(z, slope), f32x4.sub(one, f32x4.mul(t, t)));
      return f32x4.mul(half, f32x4.add(f32x4.add(one, t), curve));
    }
    case SILU: {
      const s = sigmoid(z);
      return f32x4.mul(s, f32x4.add(one, f32x4.mul(z, f32x4.sub(one, s))));
    }
    case MISH: {
      // tanh(ln(1 + e)) = 1 − 2/(n + 2) with n = e² + 2e, so its slope is 4e·(e + 1)/(n + 2)².
      const e = expFlush(f32x4.pmin(z, f32x4.splat(MISH_LINEAR)));
      const n = f32x4.mul(e, f32x4.add(e, f32x4.splat(2)));
      const m = f32x4.add(n, f32x4.splat(2));
      const slope = f32x4.div(f32x4.mul(f32x4.mul(f32x4.splat(4), e), f32x4.add(e, one)), f32x4.mul(m, m));
      return f32x4.add(f32x4.div(n, m), f32x4.mul(z, slope));
    }
    case SOFTPLUS: return sigmoid(z);
    case SOFTSIGN: {
      const root = f32x4.add(one, f32x4.abs(z));
      return f32x4.div(one, f32x4.mul(root, root));
    }
    default: return v128.and(one, f32x4.gt(z, p0));
  }
}

// @ts-expect-error: decorator
@inline
function exponentialUnit(z: v128, alpha: v128): v128 {
  const zero = f32x4.splat(0);
  const below = f32x4.mul(alpha, expMinusOne(f32x4.pmin(z, zero)));
  return v128.bitselect(z, below, f32x4.ge(z, zero));
}

// @ts-expect-error: decorator
@inline
function exponentialSlope(z: v128, alpha: v128): v128 {
  const zero = f32x4.splat(0);
  const below = f32x4.mul(alpha, expFlush(f32x4.pmin(z, zero)));
  return v128.bitselect(f32x4.splat(1), below, f32x4.ge(z, zero));
}

// @ts-expect-error: decorator
@inline
function geluArgument(z: v128): v128 {
  const square = f32x4.mul(z, z);
  return f32x4.mul(z, f32x4.add(f32x4.splat(GELU_LINEAR), f32x4.mul(square, f32x4.splat(GELU_CUBIC))));
}
