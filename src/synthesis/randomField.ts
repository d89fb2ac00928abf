/** Random images with a given correlation between neighbouring pixels. */
import { download } from "../engine/feeds.ts";
import { randomNormal } from "../kernels/random.ts";

export interface FieldShape {
  count: number;
  height: number;
  width: number;
  channels: number;
}

/**
 * Gaussian fields x [count, H, W, C], of mean 0 and variance 1 over all of their values, pixels d rows and e columns
 * apart correlated by ρ^(d + e), channels independent: first-order autoregression down and across,
 * x[h] ← ρ·x[h − 1] + √(1 − ρ²)·x[h].
 *
 * @param correlation ρ in [0, 1).
 */
export function randomField(
  { count, height, width, channels }: FieldShape,
  correlation: number,
  seed: number,
  stream: number,
): Float32Array {
  const x = download(() => randomNormal([count, height, width, channels], seed, stream));
  const fresh = Math.sqrt(1 - correlation * correlation);
  const rowSize = width * channels;
  for (let i = 0; i < x.length; i++) {
    if (i % (height * rowSize) >= rowSize) x[i] = correlation * x[i - rowSize]! + fresh * x[i]!;
  }
  for (let i = 0; i < x.length; i++) {
    if (i % rowSize >= channels) x[i] = correlation * x[i - channels]! + fresh * x[i]!;
  }
  let [sum, squares] = [0, 0];
  for (const value of x) {
    sum += value;
    squares += value * value;
  }
  const mean = sum / x.length;
  const scale = 1 / Math.sqrt(Math.max(squares / x.length - mean * mean, 1e-12));
  return x.map((value) => (value - mean) * scale);
}
