/** Scaling of pictures. */
import type { Pixels } from "./pixels.ts";

/** The input positions `first` … `first + weights.length − 1` that an output position is the mean of. */
interface Window {
  first: number;
  /** They add up to one. */
  weights: Float64Array;
}

/**
 * Scales to height × width: bilinear with antialiasing, as Pillow's `BILINEAR` and torchvision's with `antialias`.
 * Each output pixel is the mean of the input under a triangle around it, whose half-width is max(1, input / output)
 * pixels; it is rounded to 8 bits across and then down, as Pillow does.
 */
export function resize(image: Pixels, height: number, width: number): Pixels {
  if (image.height === height && image.width === width) return image;
  const { channels } = image;
  const across = alongAxis(image.data, image.height, channels, windows(image.width, width), image.width);
  const down = alongAxis(across, 1, width * channels, windows(image.height, height), image.height);
  return { height, width, channels, data: down };
}

function windows(size: number, target: number): Window[] {
  const scale = size / target;
  const support = Math.max(1, scale);
  return Array.from({ length: target }, (_, position) => {
    const centre = (position + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - support + 0.5));
    const last = Math.min(size, Math.floor(centre + support + 0.5));
    const weights = Float64Array.from({ length: last - first }, (_, i) =>
      Math.max(0, 1 - Math.abs(first + i + 0.5 - centre) / support),
    );
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return { first, weights: weights.map((weight) => weight / total) };
  });
}

/** Resamples the middle axis of [outer, size, inner]. */
function alongAxis(
  data: Uint8Array,
  outer: number,
  inner: number,
  targets: readonly Window[],
  size: number,
): Uint8Array {
  const out = new Uint8Array(outer * targets.length * inner);
  let to = 0;
  for (let row = 0; row < outer; row++) {
    for (const { first, weights } of targets) {
      const from = (row * size + first) * inner;
      for (let k = 0; k < inner; k++) {
        let sum = 0;
        for (let i = 0; i < weights.length; i++) sum += weights[i]! * data[from + i * inner + k]!;
        out[to++] = Math.round(sum);
      }
    }
  }
  return out;
}
