/** A depthwise convolution's channel multiplier: each channel `times` times side by side, and back. */

/** out[p, c·times + m] = x[p, c] */
export function repeatChannels(x: usize, out: usize, count: i32, times: i32): void {
  for (let i = 0; i < count; i++) {
    const value = load<f32>(x + (<usize>i << 2));
    for (let m = 0; m < times; m++) {
      store<f32>(out, value);
      out += 4;
    }
  }
}

/** out[p, c] = Σ_m x[p, c·times + m], for `count` outputs */
export function sumRepeated(x: usize, out: usize, count: i32, times: i32): void {
  for (let i = 0; i < count; i++) {
    let sum: f32 = 0;
    for (let m = 0; m < times; m++) {
      sum += load<f32>(x);
      x += 4;
    }
    store<f32>(out + (<usize>i << 2), sum);
  }
}
