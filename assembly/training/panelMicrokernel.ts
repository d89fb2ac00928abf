/**
 * The register tile of `microkernel.ts` for Aᵀ·B where both stand in panels of four columns, [K][4]: three pointers
 * instead of five, and both are read in order.
 */
import { madd } from "../madd";
import { TILE_COLUMNS, TILE_ROWS } from "./microkernel";

/**
 * C[m, n] (+)= Σ_k A[k, m] · B[k, n].
 *
 * @param m a multiple of 4, n of 8
 * @param a, b panels [depth][4], `panel` bytes apart
 * @param cRow bytes between rows of C
 */
export function multiplyPanels(
  a: usize, b: usize, panel: usize, depth: i32, m: i32, n: i32, c: usize, cRow: usize, accumulate: bool,
): void {
  const depthBytes = <usize>depth * 16;
  for (let row = 0; row < m; row += TILE_ROWS) {
    let from = b;
    let to = c;
    for (let column = 0; column < n; column += TILE_COLUMNS) {
      tile4x8(a, depthBytes, from, from + panel, to, cRow, accumulate);
      from += 2 * panel;
      to += TILE_COLUMNS * 4;
    }
    a += panel;
    c += <usize>TILE_ROWS * cRow;
  }
}

// @ts-expect-error: decorator
@inline
function tile4x8(
  a: usize, depthBytes: usize, left: usize, right: usize, c: usize, cRow: usize, accumulate: bool,
): void {
  let s00 = f32x4.splat(0);
  let s01 = f32x4.splat(0);
  let s10 = f32x4.splat(0);
  let s11 = f32x4.splat(0);
  let s20 = f32x4.splat(0);
  let s21 = f32x4.splat(0);
  let s30 = f32x4.splat(0);
  let s31 = f32x4.splat(0);
  const end = a + depthBytes;
  do {
    const b0 = v128.load(left);
    const b1 = v128.load(right);
    let x = v128.load32_splat(a);
    s00 = madd(x, b0, s00);
    s01 = madd(x, b1, s01);
    x = v128.load32_splat(a, 4);
    s10 = madd(x, b0, s10);
    s11 = madd(x, b1, s11);
    x = v128.load32_splat(a, 8);
    s20 = madd(x, b0, s20);
    s21 = madd(x, b1, s21);
    x = v128.load32_splat(a, 12);
    s30 = madd(x, b0, s30);
    s31 = madd(x, b1, s31);
    a += 16;
    left += 16;
    right += 16;
  } while (a < end);
  const c1 = c + cRow;
  const c2 = c1 + cRow;
  const c3 = c2 + cRow;
  if (accumulate) {
    s00 = f32x4.add(s00, v128.load(c));
    s01 = f32x4.add(s01, v128.load(c, 16));
    s10 = f32x4.add(s10, v128.load(c1));
    s11 = f32x4.add(s11, v128.load(c1, 16));
    s20 = f32x4.add(s20, v128.load(c2));
    s21 = f32x4.add(s21, v128.load(c2, 16));
    s30 = f32x4.add(s30, v128.load(c3));
    s31 = f32x4.add(s31, v128.load(c3, 16));
  }
  v128.store(c, s00);
  v128.store(c, s01, 16);
  v128.store(c1, s10);
  v128.store(c1, s11, 16);
  v128.store(c2, s20);
  v128.store(c2, s21, 16);
  v128.store(c3, s30);
  v128.store(c3, s31, 16);
}
