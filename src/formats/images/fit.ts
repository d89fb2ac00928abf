/** Pictures of every size in the size that a model takes. */
import { GenieError } from "../../errors.ts";
import type { Pixels } from "./pixels.ts";
import { resize } from "./resize.ts";

export interface FitOptions {
  /** First the shorter side is scaled to this many pixels, the longer one in proportion. */
  resize?: number | undefined;
  /** Then this many pixels of the centre are kept, down and across. */
  crop?: number | undefined;
}

/**
 * The picture in the size [height, width]: scaled and cropped as asked, then, where it has another size yet, scaled
 * until it just covers the size, and cropped to its centre. With `resize` alone it is only cropped: Resize and
 * CenterCrop as torchvision has them.
 *
 * @throws GenieError `invalid-option` where the picture is smaller than what is to be cropped from it.
 */
export function fitTo(image: Pixels, height: number, width: number, options: FitOptions = {}): Pixels {
  let fitted = image;
  if (options.resize !== undefined) {
    fitted = resizeShorterSide(fitted, options.resize);
    if (options.crop === undefined) return cropCentre(fitted, height, width);
  }
  if (options.crop !== undefined) fitted = cropCentre(fitted, options.crop, options.crop);
  const shorter = Math.min(fitted.height, fitted.width);
  const covering = Math.max((height * shorter) / fitted.height, (width * shorter) / fitted.width);
  return cropCentre(resizeShorterSide(fitted, Math.ceil(covering)), height, width);
}

/** The shorter side scaled to `size`, the longer one in proportion, rounded down as in torchvision. */
function resizeShorterSide(image: Pixels, size: number): Pixels {
  const { height, width } = image;
  return height <= width
    ? resize(image, size, Math.floor((size * width) / height))
    : resize(image, Math.floor((size * height) / width), size);
}

/** The middle of the picture; of an odd remainder the half is rounded to even, as in torchvision. */
export function cropCentre(image: Pixels, height: number, width: number): Pixels {
  if (image.height === height && image.width === width) return image;
  if (image.height < height || image.width < width) {
    throw new GenieError(
      "invalid-option",
      `${height}×${width} pixels cannot be cropped from ${image.height}×${image.width}: see --resize and --crop`,
    );
  }
  const { channels } = image;
  const top = roundHalfToEven((image.height - height) / 2);
  const left = roundHalfToEven((image.width - width) / 2);
  const data = new Uint8Array(height * width * channels);
  for (let row = 0; row < height; row++) {
    const start = ((top + row) * image.width + left) * channels;
    data.set(image.data.subarray(start, start + width * channels), row * width * channels);
  }
  return { height, width, channels, data };
}

function roundHalfToEven(value: number): number {
  const down = Math.floor(value);
  return value - down === 0.5 ? down + (down % 2) : Math.round(value);
}
