/** Many rows times many packed panels, tile by tile, edges included. */
import { tile4x8, TILE_COLUMNS, TILE_ROWS, Walk } from "./microkernel";

/** Panels of B that stay in L1 together while rows of A pass: half of a common L1 of 48 KB. */
export const GROUP_BYTES: i32 = 24 << 10;

/** Bytes of an entry of a row table: u32 byte offset of the row in A, u32 byte offset in C. */
export const ROW_BYTES: usize = 8;
/** Bytes of the tile that edges are computed in, and of its rows' table. */
export const EDGE_BYTES: usize = <usize>TILE_ROWS * (TILE_COLUMNS * 4 + 8);

// @ts-expect-error: decorator
@inline
export function setRow(rows: usize, index: i32, a: usize, c: usize): void {
  const entry = rows + <usize>index * ROW_BYTES;
  store<u32>(entry, <u32>a);
  store<u32>(entry, <u32>c, 4);
}

/** Bytes of a row table of `count` rows; what follows it stays aligned to 16. */
export function rowTableBytes(count: i32): usize {
  return (<usize>count * ROW_BYTES + 15) & ~15;
}

/** Bytes of one packed panel of B. */
export function panelBytes(depth: i32): usize {
  return <usize>depth * TILE_COLUMNS * 4;
}

/** Bytes of all packed panels of a B of [depth, columns]. */
export function packedBytes(depth: i32, columns: i32): usize {
  return <usize>((columns + TILE_COLUMNS - 1) / TILE_COLUMNS) * panelBytes(depth);
}

/**
 * C[count × columns] (+)= A · B, where row i of A starts at a + rows[i].a and row i of C at c + rows[i].c.
 *
 * Panels go in groups that fit L1, and all of a group's panels see four rows of A before the next four come: A is
 * read once a group, and lines of C are completed while they are near. The caller keeps `count` so small that A's
 * rows stay in L2.
 *
 * @param b packed panels, one for each 8 columns
 * @param edge EDGE_BYTES of scratch
 */
export function multiplyRows(
  rows: usize, count: i32, a: usize, walk: Walk, b: usize, depth: i32, c: usize, columns: i32, accumulate: bool, edge: usize,
): void {
  const panel = panelBytes(depth);
  const group = max(1, GROUP_BYTES / <i32>panel) * TILE_COLUMNS;
  for (let column = 0; column < columns; column += group) {
    const width = min(group, columns - column);
    const whole = width & ~(TILE_COLUMNS - 1);
    let entry = rows;
    for (let row = 0; row < count; row += TILE_ROWS) {
      const height = min(TILE_ROWS, count - row);
      let panels = b;
      let target = c;
      if (height == TILE_ROWS) {
        const end = b + <usize>(whole / TILE_COLUMNS) * panel;
        for (; panels < end; panels += panel) {
          tile4x8(entry, a, walk, panels, target, accumulate);
          target += TILE_COLUMNS * 4;
        }
      } else {
        for (let edgeColumn = 0; edgeColumn < whole; edgeColumn += TILE_COLUMNS) {
          edgeTile(entry, height, TILE_COLUMNS, a, walk, panels, target, accumulate, edge);
          panels += panel;
          target += TILE_COLUMNS * 4;
        }
      }
      if (whole < width) edgeTile(entry, height, width - whole, a, walk, panels, target, accumulate, edge);
      entry += <usize>TILE_ROWS * ROW_BYTES;
    }
    b += <usize>(group / TILE_COLUMNS) * panel;
    c += <usize>group * 4;
  }
}

/** A tile of which only `height` rows and `width` columns exist: computed whole, aside, and stored in part. */
function edgeTile(
  entry: usize, height: i32, width: i32, a: usize, walk: Walk, b: usize, c: usize, accumulate: bool, edge: usize,
): void {
  // Rows that do not exist repeat the last one.
  const edgeRows = edge + <usize>TILE_ROWS * TILE_COLUMNS * 4;
  for (let row = 0; row < TILE_ROWS; row++) {
    setRow(edgeRows, row, load<u32>(entry + <usize>min(row, height - 1) * ROW_BYTES), <usize>row * TILE_COLUMNS * 4);
  }
  tile4x8(edgeRows, a, walk, b, edge, false);
  for (let row = 0; row < height; row++) {
    const target = c + load<u32>(entry, 4);
    for (let column: usize = 0; column < <usize>width * 4; column += 4) {
      const value = load<f32>(edge + column);
      store<f32>(target + column, accumulate ? load<f32>(target + column) + value : value);
    }
    entry += ROW_BYTES;
    edge += TILE_COLUMNS * 4;
  }
}
