/** Squared error of two arrays and its gradient. */
import { loadTail, storeTail } from "./tail";

/** Floats whose squares are summed in f32 before f64: 16 lanes add 64 values each. */
const BLOCK: i32 = 1024;

/** Σ (a − b)²; 8 bytes an element. */
export function squaredErrorSum(a: usize, b: usize, count: i32): f64 {
  let total: f64 = 0;
  while (count > 0) {
    let block = min(count, BLOCK);
    count -= block;
    let s0 = f32x4.splat(0);
    let s1 = s0;
    let s2 = s0;
    let s3 = s0;
    for (; block >= 16; block -= 16, a += 64, b += 64) {
      const d0 = f32x4.sub(v128.load(a), v128.load(b));
      const d1 = f32x4.sub(v128.load(a, 16), v128.load(b, 16));
      const d2 = f32x4.sub(v128.load(a, 32), v128.load(b, 32));
      const d3 = f32x4.sub(v128.load(a, 48), v128.load(b, 48));
      s0 = f32x4.add(s0, f32x4.mul(d0, d0));
      s1 = f32x4.add(s1, f32x4.mul(d1, d1));
      s2 = f32x4.add(s2, f32x4.mul(d2, d2));
      s3 = f32x4.add(s3, f32x4.mul(d3, d3));
    }
    for (; block > 0; block -= 4, a += 16, b += 16) {
      const whole = block >= 4;
      const d = f32x4.sub(whole ? v128.load(a) : loadTail(a, block), whole ? v128.load(b) : loadTail(b, block));
      s0 = f32x4.add(s0, f32x4.mul(d, d));
    }
    const sum = f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3));
    total +=
      <f64>f32x4.extract_lane(sum, 0) +
      <f64>f32x4.extract_lane(sum, 1) +
      (<f64>f32x4.extract_lane(sum, 2) + <f64>f32x4.extract_lane(sum, 3));
  }
  return total;
}

/** out = factor · (a − b); 12 bytes an element. */
export function scaledDifference(a: usize, b: usize, out: usize, count: i32, factor: f32): void {
  const lanes = f32x4.splat(factor);
  for (; count >= 4; count -= 4, a += 16, b += 16, out += 16) {
    v128.store(out, f32x4.mul(lanes, f32x4.sub(v128.load(a), v128.load(b))));
  }
  if (count > 0) {
    storeTail(out, f32x4.mul(lanes, f32x4.sub(loadTail(a, count), loadTail(b, count))), count);
  }
}
