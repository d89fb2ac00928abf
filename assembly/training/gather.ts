/** Picking elements of one axis by their indices, and adding them back. */
import { fill } from "./fill";
import { loadUpTo4, storeUpTo4 } from "./tail";

/** y[o, k, i] = x[o, indices[k], i]; x is [outer, size, inner], y [outer, count, inner], indices i32. */
export function gatherAxis(
  x: usize, indices: usize, y: usize, outer: i32, size: i32, count: i32, inner: i32,
): void {
  const row = <usize>inner << 2;
  for (let o = 0; o < outer; o++, x += <usize>size * row) {
    for (let k = 0; k < count; k++, y += row) {
      const from = x + <usize>load<i32>(indices + (<usize>k << 2)) * row;
      if (inner >= 64) memory.copy(y, from, row);
      else {
        for (let i = 0; i < inner; i += 4) {
          const at = <usize>i << 2;
          storeUpTo4(y + at, loadUpTo4(from + at, min(4, inner - i)), min(4, inner - i));
        }
      }
    }
  }
}

/** dx[o, j, i] = Σ dy[o, k, i] over all k with indices[k] = j; otherwise as `gatherAxis`. */
export function gatherAxisGradient(
  dy: usize, indices: usize, dx: usize, outer: i32, size: i32, count: i32, inner: i32,
): void {
  const row = <usize>inner << 2;
  fill(dx, 0, outer * size * inner);
  for (let o = 0; o < outer; o++, dx += <usize>size * row) {
    for (let k = 0; k < count; k++, dy += row) {
      const to = dx + <usize>load<i32>(indices + (<usize>k << 2)) * row;
      for (let i = 0; i < inner; i += 4) {
        const at = <usize>i << 2;
        const lanes = min(4, inner - i);
        storeUpTo4(to + at, f32x4.add(loadUpTo4(to + at, lanes), loadUpTo4(dy + at, lanes)), lanes);
      }
    }
  }
}
