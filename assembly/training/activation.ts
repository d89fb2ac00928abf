/**
 * Element-wise activations on four lanes, and their gradients. `kind` is a code below or, from 8 on, in `curves.ts`
 * (`src/kernels/activation.ts` has the same list); p0 and p1 are its parameters, one value in all lanes.
 *
 * Passes over memory are compiled once for each variant, a type parameter of these functions (a number would still
 * be compared for every vector, once Binaryen has folded the equal loops together): the kinds that cost less than
 * the memory access, and `Curved` for all others, which read `kind` while running.
 */
import { madd } from "../madd";
import { sigmoid, tanh } from "../math";
import { smooth, smoothGradient } from "./curves";
import { Size0, Size1, Size2, Size3, Size4 } from "./sizes";

export const NONE: i32 = 0;
export const RELU: i32 = 1;
/** min(max(z, p0), p1) */
export const CLIP: i32 = 2;
/** z ≥ 0 ? z : p0·z; p1 is p0 xor 1, bit by bit. */
export const LEAKY_RELU: i32 = 3;
export const SIGMOID: i32 = 4;
export const TANH: i32 = 5;
/** min(max(p0·z + p1, 0), 1) */
export const HARD_SIGMOID: i32 = 6;
/** z · min(max(z/6 + 1/2, 0), 1) */
export const HARD_SWISH: i32 = 7;

// The variants; each is the size of its kind.
export type None = Size0;
export type Relu = Size1;
export type Clip = Size2;
export type LeakyRelu = Size3;
export type Curved = Size4;

/** The second parameter as the functions below want it. */
// @ts-expect-error: decorator
@inline
export function secondParameter(kind: i32, p0: f32, p1: f32): v128 {
  return kind == LEAKY_RELU ? v128.xor(f32x4.splat(p0), f32x4.splat(1)) : f32x4.splat(p1);
}

/** The activation of z. */
// @ts-expect-error: decorator
@inline
export function activate<Variant>(z: v128, kind: i32, p0: v128, p1: v128): v128 {
  if (offsetof<Variant>() == NONE) return z;
  if (offsetof<Variant>() == RELU) return f32x4.pmax(z, f32x4.splat(0));
  if (offsetof<Variant>() == CLIP) return clip(z, p0, p1);
  if (offsetof<Variant>() == LEAKY_RELU) {
    return madd(f32x4.pmin(z, f32x4.splat(0)), p0, f32x4.pmax(z, f32x4.splat(0)));
  }
  return kind > HARD_SWISH ? smoothCurve(kind, z, p0, p1) : curve(kind, z, p0, p1);
}

/** dy · act′(z); where the activation has a corner, its derivative on the flatter side. */
// @ts-expect-error: decorator
@inline
export function activationGradient<Variant>(dy: v128, z: v128, kind: i32, p0: v128, p1: v128): v128 {
  if (offsetof<Variant>() == NONE) return dy;
  if (offsetof<Variant>() == RELU) return v128.and(dy, f32x4.gt(z, f32x4.splat(0)));
  if (offsetof<Variant>() == CLIP) return v128.and(dy, between(z, p0, p1));
  if (offsetof<Variant>() == LEAKY_RELU) return f32x4.mul(dy, v128.xor(p0, v128.and(p1, f32x4.gt(z, f32x4.splat(0)))));
  return kind > HARD_SWISH ? smoothCurveGradient(kind, dy, z, p0, p1) : curveGradient(kind, dy, z, p0, p1);
}

/** dy · act′(z) from y = act(z), for the kinds below whose derivative y determines: all but hardSwish. */
// @ts-expect-error: decorator
@inline
export function activationGradientOfOutput<Variant>(dy: v128, y: v128, kind: i32, p0: v128, p1: v128): v128 {
  if (offsetof<Variant>() != offsetof<Curved>()) return activationGradient<Variant>(dy, y, kind, p0, p1);
  return curveGradientOfOutput(kind, dy, y, p0);
}

// pmin and pmax are one instruction each and keep a NaN in z; min and max are eight.
// @ts-expect-error: decorator
@inline
function clip(z: v128, low: v128, high: v128): v128 {
  return f32x4.pmin(f32x4.pmax(z, low), high);
}

// @ts-expect-error: decorator
@inline
function between(z: v128, low: v128, high: v128): v128 {
  return v128.and(f32x4.gt(z, low), f32x4.lt(z, high));
}

/** z/6 + 1/2 */
// @ts-expect-error: decorator
@inline
function gate(z: v128): v128 {
  return f32x4.add(f32x4.mul(z, f32x4.splat(1.0 / 6.0)), f32x4.splat(0.5));
}

// Apart from `curve`, whose kinds would spill registers beside these.
function smoothCurve(kind: i32, z: v128, p0: v128, p1: v128): v128 {
  return smooth(kind, z, p0, p1);
}

function smoothCurveGradient(kind: i32, dy: v128, z: v128, p0: v128, p1: v128): v128 {
  return smoothGradient(kind, dy, z, p0, p1);
}

function curve(kind: i32, z: v128, p0: v128, p1: v128): v128 {
  const zero = f32x4.splat(0);
  const one = f32x4.splat(1);
  if (kind == SIGMOID) return sigmoid(z);
  if (kind == TANH) return tanh(z);
  if (kind == HARD_SIGMOID) return clip(f32x4.add(f32x4.mul(z, p0), p1), zero, one);
  return f32x4.mul(z, clip(gate(z), zero, one));
}

function curveGradient(kind: i32, dy: v128, z: v128, p0: v128, p1: v128): v128 {
  if (kind == HARD_SWISH) {
    const inner = f32x4.mul(dy, f32x4.add(f32x4.mul(z, f32x4.splat(1.0 / 3.0)), f32x4.splat(0.5)));
    const open = v128.bitselect(inner, dy, f32x4.lt(z, f32x4.splat(3)));
    return v128.and(open, f32x4.gt(z, f32x4.splat(-3)));
  }
  return curveGradientOfOutput(kind, dy, curve(kind, z, p0, p1), p0);
}

function curveGradientOfOutput(kind: i32, dy: v128, y: v128, p0: v128): v128 {
  const zero = f32x4.splat(0);
  const one = f32x4.splat(1);
  if (kind == SIGMOID) return f32x4.mul(dy, f32x4.mul(y, f32x4.sub(one, y)));
  if (kind == TANH) return f32x4.mul(dy, f32x4.sub(one, f32x4.mul(y, y)));
  return v128.and(f32x4.mul(dy, p0), between(y, zero, one));
}
