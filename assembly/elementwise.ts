/** Element-wise sums and products of two arrays of the same shape, fused with an activation. */
import {
  activate,
  activationGradientOfOutput,
  CLIP,
  CURVED,
  LEAKY_RELU,
  NONE,
  variantOf,
} from "./activation";
import { loadTail, storeTail } from "./tail";

/** y = act(a + b); 12 bytes an element. */
export function addArrays(a: usize, b: usize, y: usize, count: i32, kind: i32, p0: f32, p1: f32): void {
  combine(a, b, y, count, false, kind, p0, p1);
}

/** y = act(a · b); 12 bytes an element. */
export function multiplyArrays(a: usize, b: usize, y: usize, count: i32, kind: i32, p0: f32, p1: f32): void {
  combine(a, b, y, count, true, kind, p0, p1);
}

// @ts-expect-error: decorator
@inline
function combine(a: usize, b: usize, y: usize, count: i32, product: bool, kind: i32, p0: f32, p1: f32): void {
  const first = f32x4.splat(p0);
  const second = f32x4.splat(p1);
  switch (variantOf(kind)) {
    case NONE: pass(a, b, y, count, product, NONE, kind, first, second); break;
    case CLIP: pass(a, b, y, count, product, CLIP, kind, first, second); break;
    case LEAKY_RELU: pass(a, b, y, count, product, LEAKY_RELU, kind, first, second); break;
    default: pass(a, b, y, count, product, CURVED, kind, first, second);
  }
}

// @ts-expect-error: decorator
@inline
function pass(
  a: usize,
  b: usize,
  y: usize,
  count: i32,
  product: bool,
  variant: i32,
  kind: i32,
  p0: v128,
  p1: v128,
): void {
  for (; count >= 8; count -= 8, a += 32, b += 32, y += 32) {
    const z0 = both(v128.load(a), v128.load(b), product);
    const z1 = both(v128.load(a, 16), v128.load(b, 16), product);
    v128.store(y, activate(z0, variant, kind, p0, p1));
    v128.store(y, activate(z1, variant, kind, p0, p1), 16);
  }
  for (; count > 0; count -= 4, a += 16, b += 16, y += 16) {
    if (count >= 4) v128.store(y, activate(both(v128.load(a), v128.load(b), product), variant, kind, p0, p1));
    else {
      const z = both(loadTail(a, count), loadTail(b, count), product);
      storeTail(y, activate(z, variant, kind, p0, p1), count);
    }
  }
}

// @ts-expect-error: decorator
@inline
function both(a: v128, b: v128, product: bool): v128 {
  return product ? f32x4.mul(a, b) : f32x4.add(a, b);
}

/** dz = dy · act′ where y = act(z) is given (see `activationGradientOfOutput`); 12 bytes an element. */
export function activationGradientArrays(
  dy: usize,
  y: usize,
  dz: usize,
  count: i32,
  kind: i32,
  p0: f32,
  p1: f32,
): void {
  const first = f32x4.splat(p0);
  const second = f32x4.splat(p1);
  switch (variantOf(kind)) {
    case NONE: gradientPass(dy, y, dz, count, NONE, kind, first, second); break;
    case CLIP: gradientPass(dy, y, dz, count, CLIP, kind, first, second); break;
    case LEAKY_RELU: gradientPass(dy, y, dz, count, LEAKY_RELU, kind, first, second); break;
    default: gradientPass(dy, y, dz, count, CURVED, kind, first, second);
  }
}

// @ts-expect-error: decorator
@inline
function gradientPass(
  dy: usize,
  y: usize,
  dz: usize,
  count: i32,
  variant: i32,
  kind: i32,
  p0: v128,
  p1: v128,
): void {
  for (; count >= 8; count -= 8, dy += 32, y += 32, dz += 32) {
    const dz0 = activationGradientOfOutput(v128.load(dy), v128.load(y), variant, kind, p0, p1);
    const dz1 = activationGradientOfOutput(v128.load(dy, 16), v128.load(y, 16), variant, kind, p0, p1);
    v128.store(dz, dz0);
    v128.store(dz, dz1, 16);
  }
  for (; count > 0; count -= 4, dy += 16, y += 16, dz += 16) {
    if (count >= 4) {
      v128.store(dz, activationGradientOfOutput(v128.load(dy), v128.load(y), variant, kind, p0, p1));
    } else {
      const tail = activationGradientOfOutput(loadTail(dy, count), loadTail(y, count), variant, kind, p0, p1);
      storeTail(dz, tail, count);
    }
  }
}
