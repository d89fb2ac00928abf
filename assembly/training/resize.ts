/**
 * Images stretched, each side on its own. What an output row (or column) is made of stands in a table, 16 bytes each:
 *
 *     | i32 first | i32 second | f32 share of the second | – |
 */
import { madd } from "../madd";
import { fill } from "./fill";
import { loadUpTo4, storeUpTo4 } from "./tail";

const ENTRY: usize = 16;

/** y[n, r, c] = (1 − v)·((1 − u)·x[n, r0, c0] + u·x[n, r0, c1]) + v·(likewise of r1), by the tables' r0, r1, v and c0, c1, u. */
export function resize(
  x: usize, y: usize, rowTable: usize, columnTable: usize,
  n: i32, height: i32, width: i32, channels: i32, outHeight: i32, outWidth: i32,
): void {
  const pixel = <usize>channels << 2;
  const line = <usize>width * pixel;
  for (let image = 0; image < n; image++, x += <usize>height * line) {
    for (let r = 0; r < outHeight; r++) {
      const rowEntry = rowTable + <usize>r * ENTRY;
      const upper = x + <usize>load<i32>(rowEntry) * line;
      const lower = x + <usize>load<i32>(rowEntry, 4) * line;
      const v = v128.load32_splat(rowEntry, 8);
      for (let c = 0; c < outWidth; c++, y += pixel) {
        const entry = columnTable + <usize>c * ENTRY;
        const left = <usize>load<i32>(entry) * pixel;
        const right = <usize>load<i32>(entry, 4) * pixel;
        const u = v128.load32_splat(entry, 8);
        for (let i = 0; i < channels; i += 4) {
          const lanes = min(4, channels - i);
          const at = <usize>i << 2;
          const above = between(loadUpTo4(upper + left + at, lanes), loadUpTo4(upper + right + at, lanes), u);
          const below = between(loadUpTo4(lower + left + at, lanes), loadUpTo4(lower + right + at, lanes), u);
          storeUpTo4(y + at, between(above, below, v), lanes);
        }
      }
    }
  }
}

/** dx: every pixel of dy shared out to the four that it was made of. */
export function resizeGradient(
  dy: usize, dx: usize, rowTable: usize, columnTable: usize,
  n: i32, height: i32, width: i32, channels: i32, outHeight: i32, outWidth: i32,
): void {
  const pixel = <usize>channels << 2;
  const line = <usize>width * pixel;
  const one = f32x4.splat(1);
  fill(dx, 0, n * height * width * channels);
  for (let image = 0; image < n; image++, dx += <usize>height * line) {
    for (let r = 0; r < outHeight; r++) {
      const rowEntry = rowTable + <usize>r * ENTRY;
      const upper = dx + <usize>load<i32>(rowEntry) * line;
      const lower = dx + <usize>load<i32>(rowEntry, 4) * line;
      const v = v128.load32_splat(rowEntry, 8);
      for (let c = 0; c < outWidth; c++, dy += pixel) {
        const entry = columnTable + <usize>c * ENTRY;
        const left = <usize>load<i32>(entry) * pixel;
        const right = <usize>load<i32>(entry, 4) * pixel;
        const u = v128.load32_splat(entry, 8);
        for (let i = 0; i < channels; i += 4) {
          const lanes = min(4, channels - i);
          const at = <usize>i << 2;
          const by = loadUpTo4(dy + at, lanes);
          const down = f32x4.mul(by, v);
          const up = f32x4.mul(by, f32x4.sub(one, v));
          accumulate(upper + left + at, f32x4.mul(up, f32x4.sub(one, u)), lanes);
          accumulate(upper + right + at, f32x4.mul(up, u), lanes);
          accumulate(lower + left + at, f32x4.mul(down, f32x4.sub(one, u)), lanes);
          accumulate(lower + right + at, f32x4.mul(down, u), lanes);
        }
      }
    }
  }
}

/** a + share·(b − a) */
// @ts-expect-error: decorator
@inline
function between(a: v128, b: v128, share: v128): v128 {
  return madd(share, f32x4.sub(b, a), a);
}

// @ts-expect-error: decorator
@inline
function accumulate(to: usize, lanes: v128, count: i32): void {
  storeUpTo4(to, f32x4.add(loadUpTo4(to, count), lanes), count);
}
