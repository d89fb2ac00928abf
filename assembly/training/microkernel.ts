/**
 * The register tile that all dense arithmetic runs on: C[4×8] (+)= A[4×K] · B[K×8].
 *
 * GEMM, convolution and both of its gradients differ only in how they walk A, so the walk is an argument.
 *
 * Why 4×8, and not unrolled: eight chains of sums are what two FMA units of latency 4 keep in flight, and V8 moves
 * all loads of a loop's body before its multiply-adds, so that a tile holds its accumulators and all that it loads
 * in registers at once: 8 + 2 + 4 of the 15 that V8 has. 5×8, 6×8 and two steps of k in one body need more, spill,
 * and ran at half the rate (V8 11); 3×12 just fits (9 + 3 + 3), gains 5 % there and nothing in V8 13, and wastes a
 * third of its work on 16 channels.
 */
import { madd } from "../madd";

/** Columns of C that one tile computes, and so the width of a packed panel of B. */
export const TILE_COLUMNS: i32 = 8;
/** Rows of C that one tile computes. */
export const TILE_ROWS: i32 = 4;

/**
 * Where A's elements k = 0, 1, … of a row lie, from the row's base address: `outer` segments, `outerStride` bytes
 * apart, each of `inner` segments, `innerStride` bytes apart, each of `run` ≥ 1 elements, `step` bytes apart.
 */
@unmanaged
export class Walk {
  outer: i32;
  outerStride: usize;
  inner: i32;
  innerStride: usize;
  run: i32;
  step: usize;
}

/** Bytes of a Walk, with room to keep what follows it aligned to 16. */
export const WALK_BYTES: usize = 32;

/** A walk over one run. */
export function setRun(walk: Walk, run: i32, step: usize): void {
  walk.outer = 1;
  walk.outerStride = 0;
  walk.inner = 1;
  walk.innerStride = 0;
  walk.run = run;
  walk.step = step;
}

/** Makes one run of the runs of a segment where they follow each other without a gap. */
export function joinRuns(walk: Walk): void {
  if (walk.innerStride != <usize>walk.run * walk.step) return;
  walk.run *= walk.inner;
  walk.innerStride *= walk.inner;
  walk.inner = 1;
}

/**
 * c_i[j] = Σ_k a_i[walk(k)] · b[k][j] for i < 4, j < 8; added to what C holds if `accumulate`.
 *
 * @param rows four entries of a row table: u32 byte offset of a_i from `a`, u32 byte offset of c_i from `c`
 * @param b packed panel [K][8]
 */
export function tile4x8(rows: usize, a: usize, walk: Walk, b: usize, c: usize, accumulate: bool): void {
  let a0 = a + load<u32>(rows);
  let a1 = a + load<u32>(rows, 8);
  let a2 = a + load<u32>(rows, 16);
  let a3 = a + load<u32>(rows, 24);
  let s00 = f32x4.splat(0);
  let s01 = f32x4.splat(0);
  let s10 = f32x4.splat(0);
  let s11 = f32x4.splat(0);
  let s20 = f32x4.splat(0);
  let s21 = f32x4.splat(0);
  let s30 = f32x4.splat(0);
  let s31 = f32x4.splat(0);
  const run = walk.run;
  const step = walk.step;
  const inner = walk.inner;
  const innerSkip = walk.innerStride - <usize>run * step;
  const outerSkip = walk.outerStride - <usize>inner * walk.innerStride;
  for (let o = walk.outer; o > 0; o--) {
    for (let i = inner; i > 0; i--) {
      const end = b + <usize>run * TILE_COLUMNS * 4;
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
        a0 += step;
        a1 += step;
        a2 += step;
        a3 += step;
        b += 32;
      } while (b < end);
      a0 += innerSkip;
      a1 += innerSkip;
      a2 += innerSkip;
      a3 += innerSkip;
    }
    a0 += outerSkip;
    a1 += outerSkip;
    a2 += outerSkip;
    a3 += outerSkip;
  }
  const c0 = c + load<u32>(rows, 4);
  const c1 = c + load<u32>(rows, 12);
  const c2 = c + load<u32>(rows, 20);
  const c3 = c + load<u32>(rows, 28);
  if (accumulate) {
    s00 = f32x4.add(s00, v128.load(c0));
    s01 = f32x4.add(s01, v128.load(c0, 16));
    s10 = f32x4.add(s10, v128.load(c1));
    s11 = f32x4.add(s11, v128.load(c1, 16));
    s20 = f32x4.add(s20, v128.load(c2));
    s21 = f32x4.add(s21, v128.load(c2, 16));
    s30 = f32x4.add(s30, v128.load(c3));
    s31 = f32x4.add(s31, v128.load(c3, 16));
  }
  v128.store(c0, s00);
  v128.store(c0, s01, 16);
  v128.store(c1, s10);
  v128.store(c1, s11, 16);
  v128.store(c2, s20);
  v128.store(c2, s21, 16);
  v128.store(c3, s30);
  v128.store(c3, s31, 16);
}
