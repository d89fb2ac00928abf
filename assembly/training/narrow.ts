/** Packing and loops of the narrow tiles: products with one to three columns. */
import { Walk } from "./microkernel";
import { dotTile3x3, NARROW_COLUMNS, outerTile12x3 } from "./narrowMicrokernel";
import { ROW_BYTES } from "./tiles";

/** Floats of x that an outer tile takes at a pixel. */
const OUTER_ROWS: i32 = 12;
/** Bytes of an outer tile's result. */
export const OUTER_BYTES: usize = <usize>OUTER_ROWS * NARROW_COLUMNS * 4;

/** Whether C = A · B of `columns` columns takes dot tiles, where A is contiguous in pieces of `piece` floats. */
export function takesDotTiles(columns: i32, piece: i32): bool {
  return columns <= NARROW_COLUMNS && piece % 4 == 0;
}

/** Bytes of a B of any number of columns up to three, packed for dot tiles. */
export function dotBytes(depth: i32): usize {
  return <usize>depth * NARROW_COLUMNS * 4;
}

/** Packs `depth` (a multiple of four) k of B as [K/4][3][4], zeros in columns that do not exist. Strides in bytes. */
export function packDots(b: usize, kStride: usize, jStride: usize, depth: i32, columns: i32, packed: usize): void {
  for (let k = 0; k < depth; k += 4) {
    for (let j = 0; j < NARROW_COLUMNS; j++) {
      for (let lane = 0; lane < 4; lane++) {
        const from = b + <usize>(k + lane) * kStride + <usize>j * jStride;
        store<f32>(packed, j < columns ? load<f32>(from) : 0);
        packed += 4;
      }
    }
  }
}

/** As `multiplyRows` with up to three columns; b from `packDots`. */
export function multiplyRowsByDots(
  rows: usize, count: i32, a: usize, walk: Walk, b: usize, c: usize, columns: i32,
): void {
  for (let row = 0; row < count; row += 3) {
    // Rows that do not exist repeat the last one, result and all.
    const e0 = rows + <usize>row * ROW_BYTES;
    const e1 = rows + <usize>min(row + 1, count - 1) * ROW_BYTES;
    const e2 = rows + <usize>min(row + 2, count - 1) * ROW_BYTES;
    dotTile3x3(
      a + load<u32>(e0), a + load<u32>(e1), a + load<u32>(e2), walk, b,
      c + load<u32>(e0, 4), c + load<u32>(e1, 4), c + load<u32>(e2, 4), columns,
    );
  }
}

/** Whether the gradient by a filter of `columns` output channels takes outer tiles; `piece` as above, of x. */
export function takesOuterTiles(columns: i32, piece: i32): bool {
  return columns <= NARROW_COLUMNS && piece >= OUTER_ROWS;
}

/**
 * c[i, j] (+)= Σ over pixels of x[pixel + i] · dy[pixel, j] for i < `count`, contiguous in x, and j < `columns`.
 *
 * @param walk over the pixels of x
 * @param dyStep bytes of a pixel of dy
 * @param cRow bytes from c[i, 0] to c[i + 1, 0]
 * @param tile OUTER_BYTES of scratch
 */
export function addOuterProducts(
  x: usize, count: i32, walk: Walk, dy: usize, dyStep: usize, c: usize, cRow: usize, columns: i32, accumulate: bool, tile: usize,
): void {
  const dy1 = dy + <usize>min(1, columns - 1) * 4;
  const dy2 = dy + <usize>min(2, columns - 1) * 4;
  for (let i = 0; i < count; i += OUTER_ROWS) {
    // The last tile overlaps the one before it; of its rows only those not yet done are stored.
    const from = min(i, count - OUTER_ROWS);
    outerTile12x3(x + <usize>from * 4, walk, dy, dy1, dy2, dyStep, tile);
    for (let row = i; row < from + OUTER_ROWS; row++) {
      const target = c + <usize>row * cRow;
      const sums = tile + <usize>(row - from) * 4;
      for (let j: usize = 0; j < <usize>columns; j++) {
        const sum = load<f32>(sums + j * OUTER_ROWS * 4);
        store<f32>(target + j * 4, accumulate ? load<f32>(target + j * 4) + sum : sum);
      }
    }
  }
}
