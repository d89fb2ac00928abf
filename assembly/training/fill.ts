/** Sets `count` floats at `out` to `value`. */
export function fill(out: usize, value: f32, count: i32): void {
  const lanes = f32x4.splat(value);
  let i = 0;
  for (; i + 4 <= count; i += 4) v128.store(out + ((<usize>i) << 2), lanes);
  for (; i < count; i++) store<f32>(out + ((<usize>i) << 2), value);
}
