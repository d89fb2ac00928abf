/** Moving a grid of runs: what slicing with steps, padding and their gradients are. */

/**
 * Copies the `run` floats at each position (i, j, k) of a grid n0 × n1 × n2 from source + i·s0 + j·s1 + k·s2 to
 * target + i·t0 + j·t1 + k·t2 bytes.
 */
export function copyGrid(
  source: usize,
  target: usize,
  n0: i32,
  n1: i32,
  n2: i32,
  run: i32,
  s0: usize,
  s1: usize,
  s2: usize,
  t0: usize,
  t1: usize,
  t2: usize,
): void {
  const bytes = (<usize>run) << 2;
  const whole = bytes & ~15;
  for (let i = 0; i < n0; i++) {
    for (let j = 0; j < n1; j++) {
      let p = source + <usize>i * s0 + <usize>j * s1;
      let q = target + <usize>i * t0 + <usize>j * t1;
      for (let k = 0; k < n2; k++) {
        let at: usize = 0;
        for (; at < whole; at += 16) v128.store(q + at, v128.load(p + at));
        for (; at < bytes; at += 4) store<f32>(q + at, load<f32>(p + at));
        p += s2;
        q += t2;
      }
    }
  }
}
