/** Element-wise functions of two arrays that broadcast. */
import { power } from "../math";
import { Size0, Size1, Size2, Size3, Size4, Size5, Size6, Size7, Size8, Size9, Size10 } from "./sizes";
import { loadTail, storeTail } from "./tail";

// The operations, each the size of its code (`src/kernels/broadcast.ts` has the same list).
type First = Size0;
type Sum = Size1;
type Product = Size2;
type Difference = Size3;
type Quotient = Size4;
type Power = Size5;
type Minimum = Size6;
type Maximum = Size7;
/** 1 where a < b, else 0; likewise the next two. */
type Less = Size8;
type LessOrEqual = Size9;
type Equal = Size10;

/**
 * y[i, j, k, l] = f(a[i·a0 + j·a1 + k·a2 + l·a3], b[i·b0 + …]), y being [d0, d1, d2, d3]. Steps are in floats, those of
 * a broadcast axis 0; a3 and b3 are 0 or 1.
 */
export function broadcast(
  operation: i32, a: usize, b: usize, y: usize, d0: i32, d1: i32, d2: i32, d3: i32,
  a0: i32, a1: i32, a2: i32, a3: i32, b0: i32, b1: i32, b2: i32, b3: i32,
): void {
  const row = <usize>d3 << 2;
  for (let i = 0; i < d0; i++) {
    for (let j = 0; j < d1; j++) {
      let left = a + (<usize>(i * a0 + j * a1) << 2);
      let right = b + (<usize>(i * b0 + j * b1) << 2);
      for (let k = 0; k < d2; k++) {
        combineRow(operation, left, right, y, d3, a3, b3);
        left += <usize>a2 << 2;
        right += <usize>b2 << 2;
        y += row;
      }
    }
  }
}

function combineRow(operation: i32, a: usize, b: usize, y: usize, count: i32, aStep: i32, bStep: i32): void {
  switch (operation) {
    case 0: pass<First>(a, b, y, count, aStep, bStep); break;
    case 1: pass<Sum>(a, b, y, count, aStep, bStep); break;
    case 2: pass<Product>(a, b, y, count, aStep, bStep); break;
    case 3: pass<Difference>(a, b, y, count, aStep, bStep); break;
    case 4: pass<Quotient>(a, b, y, count, aStep, bStep); break;
    case 5: pass<Power>(a, b, y, count, aStep, bStep); break;
    case 6: pass<Minimum>(a, b, y, count, aStep, bStep); break;
    case 7: pass<Maximum>(a, b, y, count, aStep, bStep); break;
    case 8: pass<Less>(a, b, y, count, aStep, bStep); break;
    case 9: pass<LessOrEqual>(a, b, y, count, aStep, bStep); break;
    default: pass<Equal>(a, b, y, count, aStep, bStep);
  }
}

// @ts-expect-error: decorator
@inline
function pass<Operation>(a: usize, b: usize, y: usize, count: i32, aStep: i32, bStep: i32): void {
  const left = v128.load32_splat(a);
  const right = v128.load32_splat(b);
  for (; count >= 4; count -= 4, y += 16) {
    v128.store(y, both<Operation>(aStep ? v128.load(a) : left, bStep ? v128.load(b) : right));
    a += 16;
    b += 16;
  }
  if (count > 0) {
    const z = both<Operation>(aStep ? loadTail(a, count) : left, bStep ? loadTail(b, count) : right);
    storeTail(y, z, count);
  }
}

// @ts-expect-error: decorator
@inline
function both<Operation>(a: v128, b: v128): v128 {
  const one = f32x4.splat(1);
  if (offsetof<Operation>() == offsetof<First>()) return a;
  if (offsetof<Operation>() == offsetof<Sum>()) return f32x4.add(a, b);
  if (offsetof<Operation>() == offsetof<Product>()) return f32x4.mul(a, b);
  if (offsetof<Operation>() == offsetof<Difference>()) return f32x4.sub(a, b);
  if (offsetof<Operation>() == offsetof<Quotient>()) return f32x4.div(a, b);
  if (offsetof<Operation>() == offsetof<Power>()) return power(a, b);
  if (offsetof<Operation>() == offsetof<Minimum>()) return f32x4.pmin(a, b);
  if (offsetof<Operation>() == offsetof<Maximum>()) return f32x4.pmax(a, b);
  if (offsetof<Operation>() == offsetof<Less>()) return v128.and(one, f32x4.lt(a, b));
  if (offsetof<Operation>() == offsetof<LessOrEqual>()) return v128.and(one, f32x4.le(a, b));
  return v128.and(one, f32x4.eq(a, b));
}
