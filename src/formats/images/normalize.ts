/** From pixels as files store them to images as a network expects them. */
import { GenieError } from "../../errors.ts";
import type { Images } from "../../images.ts";
import { type NpyArray, npyNumbers } from "../npy.ts";

export interface PixelOptions {
  /** What pixels are divided by; default 255 for integer arrays, 1 for float arrays. */
  scale?: number | undefined;
  /** One value for all channels or one a channel; default 0. */
  mean?: readonly number[] | undefined;
  /** One value for all channels or one a channel; default 1. */
  std?: readonly number[] | undefined;
}

/**
 * Normalizes pixels: x = (pixel / scale − mean[c]) / std[c]. Float arrays without options stay as they are.
 *
 * @param pixels [N, H, W, C] or [N, F]; the last axis is the channel.
 * @throws GenieError `invalid-option` for a scale or std that is not positive or lists that do not fit the
 *   channels, `invalid-data` for pixels that are not finite or that are no batch.
 */
export function normalizeImages(pixels: NpyArray, { scale, mean, std }: PixelOptions = {}): Images {
  const { shape } = pixels;
  if (shape.length < 2 || shape.some((dimension) => dimension < 1)) {
    throw new GenieError("invalid-data", `images have the shape [N, H, W, C], not [${shape}]`);
  }
  const isFloat = pixels.data instanceof Float32Array || pixels.data instanceof Float64Array;
  const divisor = scale ?? (isFloat ? 1 : 255);
  if (!(divisor > 0 && Number.isFinite(divisor))) {
    throw new GenieError("invalid-option", `scale must be a positive number, not ${divisor}`);
  }
  const channels = shape.at(-1)!;
  const means = perChannel("mean", mean ?? [0], channels);
  const deviations = perChannel("std", std ?? [1], channels);
  if (deviations.some((value) => value <= 0)) {
    throw new GenieError("invalid-option", `std must be positive, not ${deviations.join(", ")}`);
  }
  const numbers = npyNumbers(pixels);
  const data = new Float32Array(numbers.length);
  for (let i = 0; i < data.length; i++) {
    const channel = i % channels;
    data[i] = (numbers[i]! / divisor - means[channel]!) / deviations[channel]!;
  }
  const bad = data.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw new GenieError("invalid-data", `images hold ${numbers[bad]} at element ${bad}`);
  return { shape: [...shape], data };
}

function perChannel(name: string, values: readonly number[], channels: number): readonly number[] {
  if (!values.every(Number.isFinite) || (values.length !== 1 && values.length !== channels)) {
    throw new GenieError(
      "invalid-option",
      `${name} needs 1 or ${channels} numbers for ${channels} channels, not ${values.join(", ") || "none"}`,
    );
  }
  return values.length === 1 ? new Array<number>(channels).fill(values[0]!) : values;
}
