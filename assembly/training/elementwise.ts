/** Element-wise sums and products of two arrays of the same shape, fused with an activation. */
import {
  activate,
  activationGradientOfOutput,
  CLIP,
  Clip,
  Curved,
  LEAKY_RELU,
  LeakyRelu,
  NONE,
  None,
  RELU,
  Relu,
  secondParameter,
} from "./activation";
import { Size0, Size1, Size16, Size32, Size48 } from "./sizes";
import { loadTail, storeTail } from "./tail";

type Sum = Size0;
type Product = Size1;

/** y = act(a + b); 12 bytes an element. */
export function addArrays(a: usize, b: usize, y: usize, count: i32, kind: i32, p0: f32, p1: f32): void {
  combine<Sum>(a, b, y, count, kind, p0, p1);
}

/** y = act(a · b); 12 bytes an element. */
export function multiplyArrays(a: usize, b: usize, y: usize, count: i32, kind: i32, p0: f32, p1: f32): void {
  combine<Product>(a, b, y, count, kind, p0, p1);
}

// @ts-expect-error: decorator
@inline
function combine<Operation>(a: usize, b: usize, y: usize, count: i32, kind: i32, p0: f32, p1: f32): void {
  const first = f32x4.splat(p0);
  const second = secondParameter(kind, p0, p1);
  switch (kind) {
    case NONE: pass<None, Operation>(a, b, y, count, kind, first, second); break;
    case RELU: pass<Relu, Operation>(a, b, y, count, kind, first, second); break;
    case CLIP: pass<Clip, Operation>(a, b, y, count, kind, first, second); break;
    case LEAKY_RELU: pass<LeakyRelu, Operation>(a, b, y, count, kind, first, second); break;
    default: pass<Curved, Operation>(a, b, y, count, kind, first, second);
  }
}

// @ts-expect-error: decorator
@inline
function pass<Variant, Operation>(
  a: usize,
  b: usize,
  y: usize,
  count: i32,
  kind: i32,
  p0: v128,
  p1: v128,
): void {
  for (; count >= 16; count -= 16, a += 64, b += 64, y += 64) {
    one<Variant, Operation, Size0>(a, b, y, kind, p0, p1);
    one<Variant, Operation, Size16>(a, b, y, kind, p0, p1);
    one<Variant, Operation, Size32>(a, b, y, kind, p0, p1);
    one<Variant, Operation, Size48>(a, b, y, kind, p0, p1);
  }
  for (; count > 0; count -= 4, a += 16, b += 16, y += 16) {
    if (count >= 4) one<Variant, Operation, Size0>(a, b, y, kind, p0, p1);
    else {
      const z = both<Operation>(loadTail(a, count), loadTail(b, count));
      storeTail(y, activate<Variant>(z, kind, p0, p1), count);
    }
  }
}

// @ts-expect-error: decorator
@inline
function one<Variant, Operation, Offset>(
  a: usize,
  b: usize,
  y: usize,
  kind: i32,
  p0: v128,
  p1: v128,
): void {
  const z = both<Operation>(v128.load(a, offsetof<Offset>()), v128.load(b, offsetof<Offset>()));
  v128.store(y, activate<Variant>(z, kind, p0, p1), offsetof<Offset>());
}

// @ts-expect-error: decorator
@inline
function both<Operation>(a: v128, b: v128, ): v128 {
  return offsetof<Operation>() == offsetof<Product>() ? f32x4.mul(a, b) : f32x4.add(a, b);
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
  const second = secondParameter(kind, p0, p1);
  switch (kind) {
    case NONE: gradientPass<None>(dy, y, dz, count, kind, first, second); break;
    case RELU: gradientPass<Relu>(dy, y, dz, count, kind, first, second); break;
    case CLIP: gradientPass<Clip>(dy, y, dz, count, kind, first, second); break;
    case LEAKY_RELU: gradientPass<LeakyRelu>(dy, y, dz, count, kind, first, second); break;
    default: gradientPass<Curved>(dy, y, dz, count, kind, first, second);
  }
}

// @ts-expect-error: decorator
@inline
function gradientPass<Variant>(
  dy: usize,
  y: usize,
  dz: usize,
  count: i32,
  kind: i32,
  p0: v128,
  p1: v128,
): void {
  for (; count >= 16; count -= 16, dy += 64, y += 64, dz += 64) {
    oneGradient<Variant, Size0>(dy, y, dz, kind, p0, p1);
    oneGradient<Variant, Size16>(dy, y, dz, kind, p0, p1);
    oneGradient<Variant, Size32>(dy, y, dz, kind, p0, p1);
    oneGradient<Variant, Size48>(dy, y, dz, kind, p0, p1);
  }
  for (; count > 0; count -= 4, dy += 16, y += 16, dz += 16) {
    if (count >= 4) oneGradient<Variant, Size0>(dy, y, dz, kind, p0, p1);
    else {
      const tail = activationGradientOfOutput<Variant>(loadTail(dy, count), loadTail(y, count), kind, p0, p1);
      storeTail(dz, tail, count);
    }
  }
}

// @ts-expect-error: decorator
@inline
function oneGradient<Variant, Offset>(
  dy: usize,
  y: usize,
  dz: usize,
  kind: i32,
  p0: v128,
  p1: v128,
): void {
  const by = v128.load(dy, offsetof<Offset>());
  const out = v128.load(y, offsetof<Offset>());
  v128.store(dz, activationGradientOfOutput<Variant>(by, out, kind, p0, p1), offsetof<Offset>());
}
