/** Operator: matrix product with either operand transposed. */
import { setRun, Walk, WALK_BYTES } from "./microkernel";
import { packPanels } from "./packing";
import { EDGE_BYTES, multiplyRows, packedBytes, panelBytes, rowTableBytes, setRow } from "./tiles";

/** A panel of B of this depth takes 16 KB, and with the four rows of A that pass it stays in L1. */
const DEPTH_BLOCK: i32 = 512;
/** Columns of B packed at a time: 256 KB at full depth, in L2. */
const COLUMN_BLOCK: i32 = 128;
/** Rows of A that pass a panel: 256 KB at full depth, in L2. */
const ROW_BLOCK: i32 = 128;

/** Near-equal blocks instead of a small last one. */
function evenBlock(size: i32, limit: i32): i32 {
  const blocks = (size + limit - 1) / limit;
  return (size + blocks - 1) / blocks;
}

/** Bytes of scratch that `matMul` needs. */
export function matMulScratch(m: i32, n: i32, k: i32): usize {
  const depth = min(k, DEPTH_BLOCK);
  const rows = min(m, ROW_BLOCK);
  return (
    WALK_BYTES + EDGE_BYTES + rowTableBytes(rows) + packedBytes(depth, min(n, COLUMN_BLOCK)) + packedBytes(depth, rows)
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
  const packedB = rows + rowTableBytes(min(m, ROW_BLOCK));
  const packedA = packedB + packedBytes(min(k, DEPTH_BLOCK), min(n, COLUMN_BLOCK));
  const depthBlock = evenBlock(k, DEPTH_BLOCK);
  const columnBlock = min(n, COLUMN_BLOCK);
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
      for (let row = 0; row < m; row += ROW_BLOCK) {
        const count = min(ROW_BLOCK, m - row);
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
          multiplyRows(rows, count, source, walk, packedB, depth, target, columns, from > 0, edge);
        }
      }
    }
  }
}
