/**
 * The transforms of Winograd's gradient by the filter, on vectors of four channels. With y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A
 * (`winogradTransforms.ts`) a tile's gradient by g is Gᵀ[(A dy Aᵀ) ⊙ (Bᵀ d B)]G: the same matrices, transposed.
 */
import { madd } from "../madd";
import { Factors, POINT, POINT2, POINT4, TILE_IN, TILE_OUT } from "./winogradTransforms";

/** A·dy, its six elements `stride` bytes apart. */
// @ts-expect-error: decorator
@inline
function storeGradient(
  y0: v128, y1: v128, y2: v128, y3: v128, a: v128, a2: v128, fourA2: v128, to: usize, stride: usize,
): void {
  const even = madd(a2, y2, y0);
  const odd = f32x4.mul(a, madd(a2, y3, y1));
  const even2 = madd(fourA2, y2, y0);
  const half = f32x4.mul(a, madd(fourA2, y3, y1));
  const odd2 = f32x4.add(half, half);
  v128.store(to, y0);
  to += stride;
  v128.store(to, f32x4.add(even, odd));
  to += stride;
  v128.store(to, f32x4.sub(even, odd));
  to += stride;
  v128.store(to, f32x4.add(even2, odd2));
  to += stride;
  v128.store(to, f32x4.sub(even2, odd2));
  to += stride;
  v128.store(to, y3);
}

/**
 * A along the height: out[i][at] from the four rows at r0 … r3, for `bytes` bytes of each.
 *
 * @param stride bytes between rows of `out`
 */
export function transformGradientRows(
  r0: usize, r1: usize, r2: usize, r3: usize, bytes: usize, factors: Factors, out: usize, stride: usize,
): void {
  const a = f32x4.splat(factors.a);
  const a2 = f32x4.splat(factors.a2);
  const fourA2 = f32x4.splat(factors.fourA2);
  for (let at: usize = 0; at < bytes; at += 16) {
    storeGradient(
      v128.load(r0 + at), v128.load(r1 + at), v128.load(r2 + at), v128.load(r3 + at), a, a2, fourA2, out + at, stride,
    );
  }
}

/**
 * Aᵀ along the width: v[6·i + j] of one tile, from four columns of each of the six rows i that `transformGradientRows`
 * has made.
 *
 * @param rowStride, pixelBytes bytes of a row and of a pixel there
 * @param vector, position bytes in `v` from one to the next four channels and position
 */
export function transformGradientColumns(
  band: usize, rowStride: usize, pixelBytes: usize, factors: Factors, v: usize, vector: usize, position: usize,
): void {
  const a = f32x4.splat(factors.a);
  const a2 = f32x4.splat(factors.a2);
  const fourA2 = f32x4.splat(factors.fourA2);
  for (let i = 0; i < TILE_IN; i++) {
    const end = band + pixelBytes;
    let to = v;
    for (let at = band; at < end; at += 16) {
      let next = at + pixelBytes;
      const y0 = v128.load(at);
      const y1 = v128.load(next);
      next += pixelBytes;
      const y2 = v128.load(next);
      next += pixelBytes;
      storeGradient(y0, y1, y2, v128.load(next), a, a2, fourA2, to, position);
      to += vector;
    }
    band += rowStride;
    v += <usize>TILE_IN * position;
  }
}

/** Gᵀm, its three elements `stride` bytes apart. */
// @ts-expect-error: decorator
@inline
function storeTaps(m0: v128, m1: v128, m2: v128, m3: v128, m4: v128, m5: v128, to: usize, stride: usize): void {
  const even = f32x4.mul(f32x4.add(m1, m2), f32x4.splat(-1 / (6 * POINT4)));
  const odd = f32x4.mul(f32x4.sub(m1, m2), f32x4.splat(-POINT / (6 * POINT4)));
  const even2 = f32x4.mul(f32x4.add(m3, m4), f32x4.splat(1 / (24 * POINT4)));
  const odd2 = f32x4.mul(f32x4.sub(m3, m4), f32x4.splat((2 * POINT) / (24 * POINT4)));
  v128.store(to, madd(m0, f32x4.splat(1 / (4 * POINT4)), f32x4.add(even, even2)));
  v128.store(to + stride, f32x4.add(odd, odd2));
  v128.store(to + 2 * stride, madd(even, f32x4.splat(POINT2), madd(even2, f32x4.splat(4 * POINT2), m5)));
}

/** Bytes of scratch that `transformTaps` needs: Gᵀm of one vector, [3][6]. */
export const TAPS_SCRATCH_BYTES: usize = 3 * TILE_IN * 16;

/**
 * taps[3·kh + kw][at] = (Gᵀ m G)[kh, kw] with m[i, j] = m[6·i + j][at], for `bytes` bytes of each.
 *
 * @param position, tap bytes from one array to the next in `m` and in `taps`
 */
export function transformTaps(m: usize, position: usize, taps: usize, tap: usize, bytes: usize, scratch: usize): void {
  const row = <usize>TILE_IN * position;
  for (let at: usize = 0; at < bytes; at += 16) {
    let from = m + at;
    for (let j: usize = 0; j < <usize>TILE_IN; j++) {
      storeTaps(
        v128.load(from), v128.load(from + row), v128.load(from + 2 * row), v128.load(from + 3 * row),
        v128.load(from + 4 * row), v128.load(from + 5 * row), scratch + j * 16, <usize>TILE_IN * 16,
      );
      from += position;
    }
    for (let kh: usize = 0; kh < 3; kh++) {
      const line = scratch + kh * <usize>TILE_IN * 16;
      storeTaps(
        v128.load(line), v128.load(line, 16), v128.load(line, 32), v128.load(line, 48), v128.load(line, 64),
        v128.load(line, 80), taps + at + kh * 3 * tap, tap,
      );
    }
  }
}
