/** Moving data to where and how micro-kernels read it. */
import { TILE_COLUMNS } from "./microkernel";

/** Contiguous rows that are packed to their ends before the next ones: what a prefetcher brings of them is still there. */
const PACKED_ROWS: i32 = 8;
/** From this length on, touching rows pays. */
const TOUCHED_BYTES: usize = 384;

/**
 * panel[k][j] = b[k, j] for k < depth and j < columns ≤ 8, and 0 for the columns above.
 *
 * @param kStride bytes between b[k, j] and b[k + 1, j]
 * @param jStride bytes between b[k, j] and b[k, j + 1]; one of the two strides is 4
 */
export function packPanel(b: usize, kStride: usize, jStride: usize, depth: i32, columns: i32, panel: usize): void {
  if (columns < TILE_COLUMNS) packNarrow(b, kStride, jStride, depth, columns, panel);
  else if (jStride == 4) packRows(b, kStride, depth, panel);
  else packColumns(b, jStride, depth, panel);
}

/** All panels of a B of [depth, columns]. */
export function packPanels(b: usize, kStride: usize, jStride: usize, depth: i32, columns: i32, panels: usize): void {
  const panel = <usize>depth * TILE_COLUMNS * 4;
  let column = 0;
  if (jStride == 4) {
    column = columns & ~(4 * TILE_COLUMNS - 1);
    for (let k = 0; k < depth; k += PACKED_ROWS) {
      const count = min(PACKED_ROWS, depth - k);
      const from = b + <usize>k * kStride;
      let to = panels + <usize>k * TILE_COLUMNS * 4;
      for (let at = 0; at < column; at += 4 * TILE_COLUMNS) {
        packFourPanels(from + <usize>at * 4, kStride, count, to, panel);
        to += 4 * panel;
      }
    }
    panels += <usize>(column / TILE_COLUMNS) * panel;
  }
  for (; column < columns; column += TILE_COLUMNS) {
    packPanel(b + <usize>column * jStride, kStride, jStride, depth, min(TILE_COLUMNS, columns - column), panels);
    panels += panel;
  }
}

/** Four panels at once where rows are contiguous: rows may be far apart, and this reads two whole cache lines of each. */
function packFourPanels(b: usize, kStride: usize, depth: i32, panels: usize, panel: usize): void {
  for (let k = 0; k < depth; k++) {
    let target = panels;
    v128.store(target, v128.load(b));
    v128.store(target, v128.load(b, 16), 16);
    target += panel;
    v128.store(target, v128.load(b, 32));
    v128.store(target, v128.load(b, 48), 16);
    target += panel;
    v128.store(target, v128.load(b, 64));
    v128.store(target, v128.load(b, 80), 16);
    target += panel;
    v128.store(target, v128.load(b, 96));
    v128.store(target, v128.load(b, 112), 16);
    b += kStride;
    panels += 32;
  }
}

/** b's rows are contiguous: eight floats of each. */
function packRows(b: usize, kStride: usize, depth: i32, panel: usize): void {
  for (let k = 0; k < depth; k++) {
    v128.store(panel, v128.load(b));
    v128.store(panel, v128.load(b, 16), 16);
    b += kStride;
    panel += 32;
  }
}

/** b's columns are contiguous: 4×4 blocks, transposed. */
function packColumns(b: usize, jStride: usize, depth: i32, panel: usize): void {
  let k = 0;
  for (; k + 4 <= depth; k += 4) {
    transpose4(b, jStride, panel);
    transpose4(b + 4 * jStride, jStride, panel + 16);
    b += 16;
    panel += 128;
  }
  packNarrow(b, 4, jStride, depth - k, TILE_COLUMNS, panel);
}

/** Four floats from each of four places become four panel rows' left or right half. */
// @ts-expect-error: decorator
@inline
function transpose4(b: usize, jStride: usize, panel: usize): void {
  const r0 = v128.load(b);
  const r1 = v128.load(b + jStride);
  const r2 = v128.load(b + 2 * jStride);
  const r3 = v128.load(b + 3 * jStride);
  const low01 = i32x4.shuffle(r0, r1, 0, 4, 1, 5);
  const high01 = i32x4.shuffle(r0, r1, 2, 6, 3, 7);
  const low23 = i32x4.shuffle(r2, r3, 0, 4, 1, 5);
  const high23 = i32x4.shuffle(r2, r3, 2, 6, 3, 7);
  v128.store(panel, i64x2.shuffle(low01, low23, 0, 2));
  v128.store(panel, i64x2.shuffle(low01, low23, 1, 3), 32);
  v128.store(panel, i64x2.shuffle(high01, high23, 0, 2), 64);
  v128.store(panel, i64x2.shuffle(high01, high23, 1, 3), 96);
}

function packNarrow(b: usize, kStride: usize, jStride: usize, depth: i32, columns: i32, panel: usize): void {
  for (let k = 0; k < depth; k++) {
    for (let j = 0; j < TILE_COLUMNS; j++) {
      store<f32>(panel + (<usize>j << 2), j < columns ? load<f32>(b + <usize>j * jStride) : 0);
    }
    b += kStride;
    panel += 32;
  }
}

export function copyFloats(source: usize, target: usize, count: i32): void {
  let i = 0;
  for (; i + 16 <= count; i += 16) {
    const at = <usize>i << 2;
    v128.store(target + at, v128.load(source + at));
    v128.store(target + at, v128.load(source + at, 16), 16);
    v128.store(target + at, v128.load(source + at, 32), 32);
    v128.store(target + at, v128.load(source + at, 48), 48);
  }
  for (; i < count; i++) store<f32>(target + (<usize>i << 2), load<f32>(source + (<usize>i << 2)));
}

/** Reads something of every cache line of `bytes` bytes; the result means nothing. */
export function touch(from: usize, bytes: usize): i32 {
  let any = 0;
  for (let at: usize = 0; at < bytes; at += 64) any |= load<i32>(from + at);
  return any;
}

/**
 * Reads, once and in order, rows that follow each other: what then takes four of them at a time are streams that end
 * before a prefetcher follows them. Short rows are nearly in order anyway.
 */
export function touchRows(from: usize, rowBytes: usize, count: i32): void {
  if (rowBytes >= TOUCHED_BYTES) touch(from, rowBytes * <usize>count);
}
