/** The ceilings: what one core can do at most with 128-bit SIMD, from registers and from memory. */
import { madd } from "../../assembly/madd";

/**
 * `rounds` rounds of eight independent multiply-adds (64 FLOP a round): as many chains as the 4×8 tile has
 * accumulators, so that the loop is bound by throughput and not by latency. In the relaxed binary this is the
 * FMA peak, in the baseline the mul+add peak.
 */
export function multiplyAdd(rounds: i32): f32 {
  const x = f32x4.splat(0.999999);
  const y = f32x4.splat(1e-7);
  let a = f32x4.splat(1);
  let b = f32x4.splat(2);
  let c = f32x4.splat(3);
  let d = f32x4.splat(4);
  let e = f32x4.splat(5);
  let f = f32x4.splat(6);
  let g = f32x4.splat(7);
  let h = f32x4.splat(8);
  for (let i = 0; i < rounds; i++) {
    a = madd(a, x, y);
    b = madd(b, x, y);
    c = madd(c, x, y);
    d = madd(d, x, y);
    e = madd(e, x, y);
    f = madd(f, x, y);
    g = madd(g, x, y);
    h = madd(h, x, y);
  }
  const s = f32x4.add(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)), f32x4.add(f32x4.add(e, f), f32x4.add(g, h)));
  return f32x4.extract_lane(s, 0) + f32x4.extract_lane(s, 1) + f32x4.extract_lane(s, 2) + f32x4.extract_lane(s, 3);
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
