/** Operator: matrix product with either operand transposed. */
import { setRun, TILE_COLUMNS, Walk, WALK_BYTES } from "./microkernel";
import { packPanels, touchRows } from "./packing";
import { EDGE_BYTES, multiplyRows, packedBytes, panelBytes, rowTableBytes, setRow } from "./tiles";

/** Panels of B of this depth take 32 KB, and with the four rows of A that pass they just stay in an L1 of 48 KB. */
const DEPTH_BLOCK: i32 = 1024;
/** Packed columns of B take so many bytes, but are at least so many: with the rows of A that pass them they fit an L2 of 1 MB. */
const COLUMN_BYTES: i32 = 256 << 10;
const LEAST_COLUMNS: i32 = 128;
/** Rows of A that pass them, within limits: enough to use every panel often, and few enough for the rows' table. */
const ROW_BYTES: i32 = 256 << 10;
const LEAST_ROWS: i32 = 64;
const MOST_ROWS: i32 = 1024;

/** Near-equal blocks, a multiple of `unit` (a power of two), instead of a small last one. */
function evenBlock(size: i32, limit: i32, unit: i32): i32 {
  const blocks = (size + limit - 1) / limit;
  return min(size, ((size + blocks - 1) / blocks + unit - 1) & -unit);
}

function depthBlockOf(k: i32): i32 {
  return evenBlock(k, DEPTH_BLOCK, 1);
}

function columnBlockOf(n: i32, depth: i32): i32 {
  return evenBlock(n, max(LEAST_COLUMNS, COLUMN_BYTES / (depth << 2)), 4 * TILE_COLUMNS);
}

function rowBlockOf(m: i32, depth: i32): i32 {
  return evenBlock(m, min(MOST_ROWS, max(LEAST_ROWS, ROW_BYTES / (depth << 2))), TILE_COLUMNS);
}

/** Bytes of scratch that `matMul` needs. */
export function matMulScratch(m: i32, n: i32, k: i32): usize {
  const depth = depthBlockOf(k);
  const rows = rowBlockOf(m, depth);
  return (
    WALK_BYTES + EDGE_BYTES + rowTableBytes(rows) + packedBytes(depth, columnBlockOf(n, depth)) + packedBytes(depth, rows)
  );
}

/**
 * c[m, n] = Σ_k A[m, k] · B[k, n], where A is a [m, k], or a [k, m] transposed; likewise B.
 *
 * @param scratch matMulScratch(m, n, k) bytes, aligned to 16
 */
export function matMul(
  a: usize, b: usize, c: usize, m: i32, n: i32, k: i32, transposeA: bool, transposeB: bool, scratch: usize,
): void {
  const walk = changetype<Walk>(scratch);
  const edge = scratch + WALK_BYTES;
  const rows = edge + EDGE_BYTES;
  const depthBlock = depthBlockOf(k);
  const columnBlock = columnBlockOf(n, depthBlock);
  const rowBlock = rowBlockOf(m, depthBlock);
  const packedB = rows + rowTableBytes(rowBlock);
  const packedA = packedB + packedBytes(depthBlock, columnBlock);
  const bRow: usize = transposeB ? 4 : <usize>n * 4;
  const bColumn: usize = transposeB ? <usize>k * 4 : 4;
  const cRow = <usize>n * 4;
  for (let column = 0; column < n; column += columnBlock) {
    const columns = min(columnBlock, n - column);
    for (let from = 0; from < k; from += depthBlock) {
      const depth = min(depthBlock, k - from);
      packPanels(b + <usize>from * bRow + <usize>column * bColumn, bRow, bColumn, depth, columns, packedB);
      // Packed rows of a transposed A stand in panels of eight, 32 bytes from one k to the next.
      setRun(walk, depth, transposeA ? 32 : 4);
      for (let row = 0; row < m; row += rowBlock) {
        const count = min(rowBlock, m - row);
        const target = c + <usize>row * cRow + <usize>column * 4;
        if (transposeA) {
          packPanels(a + (<usize>from * m + row) * 4, <usize>m * 4, 4, depth, count, packedA);
          for (let i = 0; i < count; i++) {
            setRow(rows, i, <usize>(i >> 3) * panelBytes(depth) + (<usize>(i & 7) << 2), <usize>i * cRow);
          }
          multiplyRows(rows, count, packedA, walk, packedB, depth, target, columns, from > 0, edge);
        } else {
          const aRow = <usize>k * 4;
          for (let i = 0; i < count; i++) setRow(rows, i, <usize>i * aRow, <usize>i * cRow);
          const source = a + <usize>row * aRow + <usize>from * 4;
          if (depth == k) touchRows(source, aRow, count);
          multiplyRows(rows, count, source, walk, packedB, depth, target, columns, from > 0, edge);
        }
      }
    }
  }
}
