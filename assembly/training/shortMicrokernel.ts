/**
 * The register tile of `microkernel.ts`, C[4×8] = A[4×K] · B[K×8], where K is small, rows are evenly spaced and there are
 * no edges: its loops over rows and panels are inside, because at K = 16 (64 cycles) calling a tile and reading a row
 * table and a walk for it cost a tenth.
 */
import { madd } from "../madd";
import { TILE_COLUMNS, TILE_ROWS } from "./microkernel";
import { GROUP_BYTES, panelBytes } from "./tiles";

/**
 * C[rows × columns] = A[rows × depth] · B. Panels go in groups that fit L1, as in `multiplyRows`.
 *
 * @param rows a multiple of 4, `aStride` bytes apart in A and `cStride` bytes apart in C
 * @param columns a multiple of 8
 * @param b packed panels [depth][8], one for each 8 columns
 */
export function multiplyShort(
  a: usize, aStride: usize, rows: i32, depth: i32, b: usize, c: usize, cStride: usize, columns: i32,
): void {
  const panel = panelBytes(depth);
  const group = max(1, GROUP_BYTES / <i32>panel) * TILE_COLUMNS;
  for (let column = 0; column < columns; column += group) {
    const width = min(group, columns - column);
    const groupBytes = <usize>(width / TILE_COLUMNS) * panel;
    let from = a;
    let to = c + <usize>column * 4;
    for (let row = 0; row < rows; row += TILE_ROWS) {
      multiplyFourRows(from, aStride, depth, b, groupBytes, to, cStride);
      from += <usize>TILE_ROWS * aStride;
      to += <usize>TILE_ROWS * cStride;
    }
    b += groupBytes;
  }
}

/** Four rows of A by all panels in `bBytes` bytes. */
function multiplyFourRows(
  a: usize, aStride: usize, depth: i32, b: usize, bBytes: usize, c: usize, cStride: usize,
): void {
  const aEnd = a + <usize>depth * 4;
  const bEnd = b + bBytes;
  while (b < bEnd) {
    let a0 = a;
    let a1 = a0 + aStride;
    let a2 = a1 + aStride;
    let a3 = a2 + aStride;
    let s00 = f32x4.splat(0);
    let s01 = f32x4.splat(0);
    let s10 = f32x4.splat(0);
    let s11 = f32x4.splat(0);
    let s20 = f32x4.splat(0);
    let s21 = f32x4.splat(0);
    let s30 = f32x4.splat(0);
    let s31 = f32x4.splat(0);
    do {
      const b0 = v128.load(b);
      const b1 = v128.load(b, 16);
      let x = v128.load32_splat(a0);
      s00 = madd(x, b0, s00);
      s01 = madd(x, b1, s01);
      x = v128.load32_splat(a1);
      s10 = madd(x, b0, s10);
      s11 = madd(x, b1, s11);
      x = v128.load32_splat(a2);
      s20 = madd(x, b0, s20);
      s21 = madd(x, b1, s21);
      x = v128.load32_splat(a3);
      s30 = madd(x, b0, s30);
      s31 = madd(x, b1, s31);
      a0 += 4;
      a1 += 4;
      a2 += 4;
      a3 += 4;
      b += 32;
    } while (a0 < aEnd);
    v128.store(c, s00);
    v128.store(c, s01, 16);
    let to = c + cStride;
    v128.store(to, s10);
    v128.store(to, s11, 16);
    to += cStride;
    v128.store(to, s20);
    v128.store(to, s21, 16);
    to += cStride;
    v128.store(to, s30);
    v128.store(to, s31, 16);
    c += 32;
  }
}
