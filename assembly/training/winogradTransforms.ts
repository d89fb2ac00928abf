/**
 * The transforms of Winograd's F(4×4, 3×3) on vectors of four channels: 4×4 outputs from 6×6 inputs,
 * Y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A (Lavin & Gray 2016, arXiv 1509.09308), each matrix along one axis and then the other.
 *
 * The interpolation points are 0, ±a, ±2a and ∞. With the usual a = 1 the result's rounding error is 4 times that of
 * direct convolution (root mean square, 64 channels); with a = 3/4 it is 1.9 times, and all factors of A and B are exact
 * in float32. (On the choice of points: Barabasz et al. 2020, arXiv 1803.10986.)
 *
 *        ⎡ 4a⁴   0  -5a²   0   1  0 ⎤       ⎡  1/4a⁴      0      0   ⎤
 *        ⎢  0  -4a³ -4a²   a   1  0 ⎥       ⎢ -1/6a⁴  -1/6a³ -1/6a²  ⎥        ⎡ 1  1   1    1    1   0 ⎤
 *   Bᵀ = ⎢  0   4a³ -4a²  -a   1  0 ⎥   G = ⎢ -1/6a⁴   1/6a³ -1/6a²  ⎥   Aᵀ = ⎢ 0  a  -a   2a  -2a   0 ⎥
 *        ⎢  0  -2a³  -a²  2a   1  0 ⎥       ⎢ 1/24a⁴  1/12a³  1/6a²  ⎥        ⎢ 0  a²  a²  4a²  4a²  0 ⎥
 *        ⎢  0   2a³  -a² -2a   1  0 ⎥       ⎢ 1/24a⁴ -1/12a³  1/6a²  ⎥        ⎣ 0  a³ -a³  8a³ -8a³  1 ⎦
 *        ⎣  0   4a⁴   0  -5a²  0  1 ⎦       ⎣    0       0      1    ⎦
 */
import { madd } from "../madd";

/** The interpolation point a. */
export const POINT: f32 = 0.75;
export const POINT2: f32 = POINT * POINT;
export const POINT4: f32 = POINT2 * POINT2;

/** Outputs of a tile along an axis. */
export const TILE_OUT: i32 = 4;
/** Inputs that a tile reads along an axis. */
export const TILE_IN: i32 = 6;
/** Products of a tile: positions (i, j) of the transformed tile, as 6·i + j. */
export const POSITIONS: i32 = TILE_IN * TILE_IN;

/** Factors of the transforms, kept in memory: V8 13 builds a vector constant anew at each use. */
@unmanaged
export class Factors {
  a: f32;
  a2: f32;
  fourA2: f32;
  minusA2: f32;
  minusFourA2: f32;
}

/** Bytes of Factors, with room to keep what follows it aligned to 16. */
export const FACTORS_BYTES: usize = 32;

export function setFactors(factors: Factors): void {
  factors.a = POINT;
  factors.a2 = POINT2;
  factors.fourA2 = 4 * POINT2;
  factors.minusA2 = -POINT2;
  factors.minusFourA2 = -4 * POINT2;
}

/** Bᵀd, its six elements `stride` bytes apart. */
// @ts-expect-error: decorator
@inline
function storeInput(
  d0: v128, d1: v128, d2: v128, d3: v128, d4: v128, d5: v128, a: v128, minusA2: v128, minusFourA2: v128,
  to: usize, stride: usize,
): void {
  const even4 = madd(minusFourA2, d2, d4);
  const odd4 = f32x4.mul(a, madd(minusFourA2, d1, d3));
  const even = madd(minusA2, d2, d4);
  const odd = madd(minusA2, d1, d3);
  const half = f32x4.mul(a, odd);
  const odd2 = f32x4.add(half, half);
  v128.store(to, madd(minusFourA2, madd(minusA2, d0, d2), even));
  to += stride;
  v128.store(to, f32x4.add(even4, odd4));
  to += stride;
  v128.store(to, f32x4.sub(even4, odd4));
  to += stride;
  v128.store(to, f32x4.add(even, odd2));
  to += stride;
  v128.store(to, f32x4.sub(even, odd2));
  to += stride;
  v128.store(to, madd(minusFourA2, odd, madd(minusA2, d3, d5)));
}

/**
 * Bᵀ along the height: out[i][at] from the six rows at r0 … r5, for `bytes` bytes of each.
 *
 * @param stride bytes between rows of `out`
 */
export function transformInputRows(
  r0: usize, r1: usize, r2: usize, r3: usize, r4: usize, r5: usize, bytes: usize, factors: Factors, out: usize, stride: usize,
): void {
  const a = f32x4.splat(factors.a);
  const minusA2 = f32x4.splat(factors.minusA2);
  const minusFourA2 = f32x4.splat(factors.minusFourA2);
  for (let at: usize = 0; at < bytes; at += 16) {
    storeInput(
      v128.load(r0 + at), v128.load(r1 + at), v128.load(r2 + at), v128.load(r3 + at), v128.load(r4 + at),
      v128.load(r5 + at), a, minusA2, minusFourA2, out + at, stride,
    );
  }
}

/**
 * B along the width: v[6·i + j] of one tile, from six columns of each of the six rows i that `transformInputRows` has made.
 *
 * @param rowStride, pixelBytes bytes of a row and of a pixel there
 * @param vector, position bytes in `v` from one to the next four channels and position
 */
export function transformInputColumns(
  band: usize, rowStride: usize, pixelBytes: usize, factors: Factors, v: usize, vector: usize, position: usize,
): void {
  const a = f32x4.splat(factors.a);
  const minusA2 = f32x4.splat(factors.minusA2);
  const minusFourA2 = f32x4.splat(factors.minusFourA2);
  for (let i = 0; i < TILE_IN; i++) {
    const end = band + pixelBytes;
    let to = v;
    for (let at = band; at < end; at += 16) {
      let next = at + pixelBytes;
      const d0 = v128.load(at);
      const d1 = v128.load(next);
      next += pixelBytes;
      const d2 = v128.load(next);
      next += pixelBytes;
      const d3 = v128.load(next);
      next += pixelBytes;
      const d4 = v128.load(next);
      next += pixelBytes;
      const d5 = v128.load(next);
      storeInput(d0, d1, d2, d3, d4, d5, a, minusA2, minusFourA2, to, position);
      to += vector;
    }
    band += rowStride;
    v += <usize>TILE_IN * position;
  }
}

/** Aᵀm to four places. */
// @ts-expect-error: decorator
@inline
function storeOutput(
  m0: v128, m1: v128, m2: v128, m3: v128, m4: v128, m5: v128, a: v128, a2: v128, fourA2: v128,
  y0: usize, y1: usize, y2: usize, y3: usize,
): void {
  const even = f32x4.add(m1, m2);
  const odd = f32x4.mul(a, f32x4.sub(m1, m2));
  const even2 = f32x4.add(m3, m4);
  const half = f32x4.mul(a, f32x4.sub(m3, m4));
  const odd2 = f32x4.add(half, half);
  v128.store(y3, madd(fourA2, odd2, madd(a2, odd, m5)));
  v128.store(y2, madd(fourA2, even2, f32x4.mul(a2, even)));
  v128.store(y1, f32x4.add(odd, odd2));
  v128.store(y0, f32x4.add(f32x4.add(m0, even), even2));
}

/**
 * Aᵀ along the height: rows[r][j] for r < 4, j < 6 from m[6·i + j] of one tile.
 *
 * @param pixelBytes bytes between positions of `m`, and of `rows`
 */
export function transformOutputRows(m: usize, pixelBytes: usize, factors: Factors, rows: usize): void {
  const a = f32x4.splat(factors.a);
  const a2 = f32x4.splat(factors.a2);
  const fourA2 = f32x4.splat(factors.fourA2);
  const row = <usize>TILE_IN * pixelBytes;
  // The six columns and their channels follow each other without a gap, in m as in `rows`.
  const end = m + row;
  for (; m < end; m += 16) {
    let next = m + row;
    const m0 = v128.load(m);
    const m1 = v128.load(next);
    next += row;
    const m2 = v128.load(next);
    next += row;
    const m3 = v128.load(next);
    next += row;
    const m4 = v128.load(next);
    next += row;
    const m5 = v128.load(next);
    const y1 = rows + row;
    const y2 = y1 + row;
    storeOutput(m0, m1, m2, m3, m4, m5, a, a2, fourA2, rows, y1, y2, y2 + row);
    rows += 16;
  }
}

/**
 * A along the width: one row of outputs of a row of tiles.
 *
 * @param rows the row's six pixels of the first tile, `pixelBytes` bytes apart; those of the next are `tileBytes` on
 * @param bytes bytes of a pixel of the output, which is `width` pixels wide
 */
export function transformOutputColumns(
  rows: usize, pixelBytes: usize, tileBytes: usize, factors: Factors, y: usize, bytes: usize, width: i32,
): void {
  const a = f32x4.splat(factors.a);
  const a2 = f32x4.splat(factors.a2);
  const fourA2 = f32x4.splat(factors.fourA2);
  for (; width > 0; width -= TILE_OUT) {
    // Pixels that lie outside go where the last one is stored after them.
    const second = <usize>min(1, width - 1) * bytes;
    const third = <usize>min(2, width - 1) * bytes;
    const fourth = <usize>min(3, width - 1) * bytes;
    const end = y + bytes;
    let at = rows;
    for (let to = y; to < end; to += 16) {
      let next = at + pixelBytes;
      const m0 = v128.load(at);
      const m1 = v128.load(next);
      next += pixelBytes;
      const m2 = v128.load(next);
      next += pixelBytes;
      const m3 = v128.load(next);
      next += pixelBytes;
      const m4 = v128.load(next);
      next += pixelBytes;
      const m5 = v128.load(next);
      storeOutput(m0, m1, m2, m3, m4, m5, a, a2, fourA2, to, to + second, to + third, to + fourth);
      at += 16;
    }
    rows += tileBytes;
    y += <usize>TILE_OUT * bytes;
  }
}

/** Gg, its six elements `stride` bytes apart. */
// @ts-expect-error: decorator
@inline
function storeFilter(g0: v128, g1: v128, g2: v128, to: usize, stride: usize): void {
  const even = f32x4.mul(madd(f32x4.splat(POINT2), g2, g0), f32x4.splat(-1 / (6 * POINT4)));
  const odd = f32x4.mul(g1, f32x4.splat(-POINT / (6 * POINT4)));
  const even2 = f32x4.mul(madd(f32x4.splat(4 * POINT2), g2, g0), f32x4.splat(1 / (24 * POINT4)));
  const odd2 = f32x4.mul(g1, f32x4.splat((2 * POINT) / (24 * POINT4)));
  v128.store(to, f32x4.mul(g0, f32x4.splat(1 / (4 * POINT4))));
  v128.store(to + stride, f32x4.add(even, odd));
  v128.store(to + 2 * stride, f32x4.sub(even, odd));
  v128.store(to + 3 * stride, f32x4.add(even2, odd2));
  v128.store(to + 4 * stride, f32x4.sub(even2, odd2));
  v128.store(to + 5 * stride, g2);
}

/** Bytes of scratch that `transformFilter` needs: Gg of one vector, [6][3]. */
export const FILTER_SCRATCH_BYTES: usize = 6 * 3 * 16;

/**
 * u[6·i + j][at] = (G g Gᵀ)[i, j] with g[kh, kw] = taps[3·kh + kw][at], for `bytes` bytes of each of the 9 and 36 arrays,
 * which follow each other.
 */
export function transformFilter(taps: usize, bytes: usize, u: usize, scratch: usize): void {
  for (let at: usize = 0; at < bytes; at += 16) {
    for (let column: usize = 0; column < 3; column++) {
      const tap = taps + at + column * bytes;
      storeFilter(v128.load(tap), v128.load(tap + 3 * bytes), v128.load(tap + 6 * bytes), scratch + column * 16, 48);
    }
    for (let i: usize = 0; i < <usize>TILE_IN; i++) {
      const row = scratch + i * 48;
      storeFilter(
        v128.load(row), v128.load(row, 16), v128.load(row, 32), u + at + i * <usize>TILE_IN * bytes, bytes,
      );
    }
  }
}
