/** Parts and sums of vectors: the last one to three floats of an array, lane masks, sums over lanes. */

/** `count` floats (1 to 3) at `at`; the lanes above are 0. */
// @ts-expect-error: decorator
@inline
export function loadTail(at: usize, count: i32): v128 {
  let lanes = v128.load32_zero(at);
  if (count > 1) lanes = v128.load32_lane(at, lanes, 1, 4);
  if (count > 2) lanes = v128.load32_lane(at, lanes, 2, 8);
  return lanes;
}

/** Stores the first `count` lanes (1 to 3) at `at`. */
// @ts-expect-error: decorator
@inline
export function storeTail(at: usize, lanes: v128, count: i32): void {
  v128.store32_lane(at, lanes, 0);
  if (count > 1) v128.store32_lane(at, lanes, 1, 4);
  if (count > 2) v128.store32_lane(at, lanes, 2, 8);
}

/** A mask whose first `count` lanes (0 to 4) are all ones. */
// @ts-expect-error: decorator
@inline
export function firstLanes(count: i32): v128 {
  return i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(count));
}

/** Sum of four lanes in f64. */
// @ts-expect-error: decorator
@inline
export function laneSum(x: v128): f64 {
  return (
    <f64>f32x4.extract_lane(x, 0) +
    <f64>f32x4.extract_lane(x, 1) +
    (<f64>f32x4.extract_lane(x, 2) + <f64>f32x4.extract_lane(x, 3))
  );
}

/** `count` floats (1 to 4) at `at`; the lanes above are 0. */
// @ts-expect-error: decorator
@inline
export function loadUpTo4(at: usize, count: i32): v128 {
  return count == 4 ? v128.load(at) : loadTail(at, count);
}

/** Stores the first `count` lanes (1 to 4) at `at`. */
// @ts-expect-error: decorator
@inline
export function storeUpTo4(at: usize, lanes: v128, count: i32): void {
  if (count == 4) v128.store(at, lanes);
  else storeTail(at, lanes, count);
}
