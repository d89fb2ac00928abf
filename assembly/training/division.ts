/** Integer division that rounds towards one side for negative numerators too. */

/** ⌈a / b⌉ for b > 0 */
export function ceilDivide(a: i32, b: i32): i32 {
  return a > 0 ? (a + b - 1) / b : -(-a / b);
}

/** ⌊a / b⌋ for b > 0 */
export function floorDivide(a: i32, b: i32): i32 {
  return a >= 0 ? a / b : -((b - 1 - a) / b);
}
