/** The ceilings: what one core can do at most with 128-bit SIMD, from registers and from memory. */
import { madd } from "../../assembly/madd";

/**
 * `rounds` rounds of twelve independent multiply-adds (96 FLOP a round). Twelve chains and two constants are what
 * sixteen registers hold beside the temporary that mul+add needs, and enough to hide the latency of fused
 * multiply-adds; of mul+add they hide most. In the relaxed binary this is the FMA peak, in the baseline the
 * mul+add peak.
 *
 * @param factor
 * @param term both given from outside: V8 13 (Node 24) builds a v128 constant anew at each of its uses
 */
export function multiplyAdd(rounds: i32, factor: f32, term: f32): f32 {
  const x = f32x4.splat(factor);
  const y = f32x4.splat(term);
  let a = f32x4.splat(1);
  let b = f32x4.splat(2);
  let c = f32x4.splat(3);
  let d = f32x4.splat(4);
  let e = f32x4.splat(5);
  let f = f32x4.splat(6);
  let g = f32x4.splat(7);
  let h = f32x4.splat(8);
  let i = f32x4.splat(9);
  let j = f32x4.splat(10);
  let k = f32x4.splat(11);
  let l = f32x4.splat(12);
  for (let round = 0; round < rounds; round++) {
    a = madd(a, x, y);
    b = madd(b, x, y);
    c = madd(c, x, y);
    d = madd(d, x, y);
    e = madd(e, x, y);
    f = madd(f, x, y);
    g = madd(g, x, y);
    h = madd(h, x, y);
    i = madd(i, x, y);
    j = madd(j, x, y);
    k = madd(k, x, y);
    l = madd(l, x, y);
  }
  const s = sum(sum(sum(a, b), sum(c, d)), sum(sum(sum(e, f), sum(g, h)), sum(sum(i, j), sum(k, l))));
  return f32x4.extract_lane(s, 0) + f32x4.extract_lane(s, 1) + f32x4.extract_lane(s, 2) + f32x4.extract_lane(s, 3);
}

// @ts-expect-error: decorator
@inline
function sum(a: v128, b: v128): v128 {
  return f32x4.add(a, b);
}

/** Copies `bytes` (a multiple of 64) from `source` to `target` with 128-bit loads and stores. */
export function copy(source: usize, target: usize, bytes: i32): void {
  for (let i = 0; i < bytes; i += 64) {
    const p = source + <usize>i;
    const q = target + <usize>i;
    v128.store(q, v128.load(p));
    v128.store(q, v128.load(p, 16), 16);
    v128.store(q, v128.load(p, 32), 32);
    v128.store(q, v128.load(p, 48), 48);
  }
}
