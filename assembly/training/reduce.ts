/** Sums, maxima and minima along one axis. */
import { Size0, Size1 } from "./sizes";
import { laneSum, loadTail, loadUpTo4, storeUpTo4 } from "./tail";

type Maximum = Size0;
type Minimum = Size1;

/** y[o, i] = factor · Σ x[o, ·, i], summed in f64; x is [outer, size, inner]. */
export function sumAxis(x: usize, y: usize, outer: i32, size: i32, inner: i32, factor: f32): void {
  const row = <usize>inner << 2;
  const scale = f64x2.splat(factor);
  for (let o = 0; o < outer; o++, x += <usize>size * row) {
    if (inner == 1) {
      store<f32>(y, <f32>(rowSum(x, size) * <f64>factor));
      y += 4;
      continue;
    }
    for (let i = 0; i < inner; i += 4, y += 16) {
      const columns = min(4, inner - i);
      let low = f64x2.splat(0);
      let high = f64x2.splat(0);
      let at = x + (<usize>i << 2);
      for (let k = 0; k < size; k++, at += row) {
        const lanes = loadUpTo4(at, columns);
        low = f64x2.add(low, f64x2.promote_low_f32x4(lanes));
        high = f64x2.add(high, f64x2.promote_low_f32x4(upper(lanes)));
      }
      const sums = f32x4.demote_f64x2_zero(f64x2.mul(low, scale));
      const others = f32x4.demote_f64x2_zero(f64x2.mul(high, scale));
      storeUpTo4(y, v128.shuffle<i64>(sums, others, 0, 2), columns);
      if (columns < 4) y -= <usize>(4 - columns) << 2;
    }
  }
}

/** y[o, i] = max x[o, ·, i], or the least; x is [outer, size, inner]. */
export function extremeAxis(x: usize, y: usize, outer: i32, size: i32, inner: i32, isMaximum: bool): void {
  if (isMaximum) extremes<Maximum>(x, y, outer, size, inner);
  else extremes<Minimum>(x, y, outer, size, inner);
}

// @ts-expect-error: decorator
@inline
function extremes<Kind>(x: usize, y: usize, outer: i32, size: i32, inner: i32): void {
  const row = <usize>inner << 2;
  for (let o = 0; o < outer; o++, x += <usize>size * row) {
    if (inner == 1) {
      store<f32>(y, rowExtreme<Kind>(x, size));
      y += 4;
      continue;
    }
    for (let i = 0; i < inner; i += 4, y += 16) {
      const columns = min(4, inner - i);
      let at = x + (<usize>i << 2);
      let best = loadUpTo4(at, columns);
      for (let k = 1; k < size; k++) {
        at += row;
        best = better<Kind>(best, loadUpTo4(at, columns));
      }
      storeUpTo4(y, best, columns);
      if (columns < 4) y -= <usize>(4 - columns) << 2;
    }
  }
}

// @ts-expect-error: decorator
@inline
function rowSum(x: usize, size: i32): f64 {
  let low = f64x2.splat(0);
  let high = f64x2.splat(0);
  for (; size >= 4; size -= 4, x += 16) {
    const lanes = v128.load(x);
    low = f64x2.add(low, f64x2.promote_low_f32x4(lanes));
    high = f64x2.add(high, f64x2.promote_low_f32x4(upper(lanes)));
  }
  const sums = f64x2.add(low, high);
  const total = f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
  return size > 0 ? total + laneSum(loadTail(x, size)) : total;
}

// @ts-expect-error: decorator
@inline
function rowExtreme<Kind>(x: usize, size: i32): f32 {
  let best = v128.load32_splat(x);
  for (; size >= 4; size -= 4, x += 16) best = better<Kind>(best, v128.load(x));
  for (; size > 0; size--, x += 4) best = better<Kind>(best, v128.load32_splat(x));
  best = better<Kind>(best, upper(best));
  best = better<Kind>(best, v128.shuffle<i32>(best, best, 1, 0, 3, 2));
  return f32x4.extract_lane(best, 0);
}

// @ts-expect-error: decorator
@inline
function better<Kind>(a: v128, b: v128): v128 {
  return offsetof<Kind>() == offsetof<Maximum>() ? f32x4.pmax(a, b) : f32x4.pmin(a, b);
}

/** Lanes 2 and 3 in front. */
// @ts-expect-error: decorator
@inline
function upper(lanes: v128): v128 {
  return v128.shuffle<i64>(lanes, lanes, 1, 0);
}
