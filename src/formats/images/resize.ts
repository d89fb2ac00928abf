/** Scaling and cropping of pictures. */
import type { Pixels } from "./decode.ts";

/**
 * Bilinear with antialiasing, as Pillow's and torchvision's: each output pixel is a mean under a triangle whose
 * half-width is max(1, scale) input pixels.
 */
export function resize(image: Pixels, height: number, width: number): Pixels {
  if (image.height === height && image.width === width) return image;
  const { channels } = image;
  const across = alongAxis(image.data, [image.height, image.width, channels], width);
  const down = alongAxis(across, [1, image.height, width * channels], height);
  // Rounded once, at the end.
  return { height, width, channels, data: Uint8Array.from(down, Math.round) };
}

/** The shorter side scaled to `size`, the other in proportion (rounded down, as torchvision does). */
export function resizeShorterSide(image: Pixels, size: number): Pixels {
  const { height, width } = image;
  return height <= width
    ? resize(image, size, Math.max(size, Math.floor((size * width) / height)))
    : resize(image, Math.max(size, Math.floor((size * height) / width)), size);
}

/** The middle of the picture. It must not be smaller than what is asked for. */
export function cropCentre(image: Pixels, height: number, width: number): Pixels {
  if (image.height === height && image.width === width) return image;
  const { channels } = image;
  const top = Math.round((image.height - height) / 2);
  const left = Math.round((image.width - width) / 2);
  const data = new Uint8Array(height * width * channels);
  for (let row = 0; row < height; row++) {
    const start = ((top + row) * image.width + left) * channels;
    data.set(image.data.subarray(start, start + width * channels), row * width * channels);
  }
  return { height, width, channels, data };
}

/** The picture in the model's size: its shorter side to `shorter`, or so that it just covers; then the centre. */
export function fitTo(image: Pixels, height: number, width: number, shorter?: number): Pixels {
  if (image.height === height && image.width === width && shorter === undefined) return image;
  const covering = Math.max(height / image.height, width / image.width) * Math.min(image.height, image.width);
  const scaled = resizeShorterSide(image, shorter ?? Math.ceil(covering));
  return cropCentre(scaled, height, width);
}

/** Resamples the middle axis of [outer, size, inner] to [outer, target, inner]. */
function alongAxis(
  data: ArrayLike<number>,
  [outer, size, inner]: [number, number, number],
  target: number,
): Float32Array {
  const out = new Float32Array(outer * target * inner);
  const scale = size / target;
  const support = Math.max(1, scale);
  for (let position = 0; position < target; position++) {
    const centre = (position + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - support + 0.5));
    const last = Math.min(size, Math.floor(centre + support + 0.5));
    const weights = Array.from({ length: last - first }, (_, i) =>
      Math.max(0, 1 - Math.abs(first + i + 0.5 - centre) / support),
    );
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (let row = 0; row < outer; row++) {
      for (const [i, weight] of weights.entries()) {
        const from = (row * size + first + i) * inner;
        const to = (row * target + position) * inner;
        for (let k = 0; k < inner; k++) out[to + k]! += (data[from + k]! * weight) / total;
      }
    }
  }
  return out;
}
