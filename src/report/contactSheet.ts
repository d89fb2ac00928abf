/** Many images on one PNG, for a person to look at. */
import { encode } from "fast-png";
import { GenieError } from "../errors.ts";
import type { Images } from "../images.ts";

/** Pixels between tiles. */
const GAP = 2;
/** A white ground tells dark tiles from the gap between them. */
const GROUND = 255;
/** Small images are enlarged by a whole factor to at least this many pixels a side. */
const TILE_SIDE = 64;
/** Enough values to place the percentiles; sorting all of a large sheet would take seconds. */
const PERCENTILE_SAMPLES = 100_000;

export interface ContactSheetOptions {
  /** Images shown, from the first on; default 64. */
  limit?: number | undefined;
  /** What the images were normalized by, one value for all channels or one a channel. */
  mean?: readonly number[] | undefined;
  std?: readonly number[] | undefined;
}

/** A normalized value of a channel to a gray level; PNG clips what is beyond 0…255. */
type Tone = (value: number, channel: number) => number;

/**
 * Draws images [N, H, W, C], [N, H, W] or vectors [N, F] in a near-square grid. One and three channels are shown as gray and colour; of other
 * counts every channel is a gray tile of its own.
 *
 * Values become 255·(value·std + mean) where `mean` or `std` is given, else black and white are the 1st and the
 * 99th percentile of the sheet.
 *
 * @returns A PNG file.
 * @throws GenieError `invalid-data` if the images are of another rank, or none.
 */
export function contactSheet(
  images: Images,
  { limit = 64, mean, std }: ContactSheetOptions = {},
): Uint8Array {
  const [count, height, width, channels] = imageShape(images.shape);
  if (!count || !height || !width || !channels) {
    throw new GenieError("invalid-data", `a contact sheet shows images [N, H, W, C], not [${images.shape}]`);
  }
  const depth = channels === 3 ? 3 : 1;
  const tilesPerImage = channels / depth;
  const tiles = Math.min(count * tilesPerImage, limit);
  const shown = images.data.subarray(0, Math.ceil(tiles / tilesPerImage) * height * width * channels);
  const tone = mean || std ? denormalize(mean ?? [0], std ?? [1]) : stretch(shown);

  // A row is a strip: it need not be as high as an image.
  const zoom = Math.ceil(TILE_SIDE / (height === 1 ? width : Math.min(height, width)));
  const columns = Math.ceil(Math.sqrt(tiles));
  const rows = Math.ceil(tiles / columns);
  const sheetWidth = columns * (width * zoom + GAP) + GAP;
  const sheetHeight = rows * (height * zoom + GAP) + GAP;
  const sheet = new Uint8ClampedArray(sheetWidth * sheetHeight * depth).fill(GROUND);
  for (let tile = 0; tile < tiles; tile++) {
    const image = Math.floor(tile / tilesPerImage);
    const left = GAP + (tile % columns) * (width * zoom + GAP);
    const top = GAP + Math.floor(tile / columns) * (height * zoom + GAP);
    for (let y = 0; y < height * zoom; y++) {
      for (let x = 0; x < width * zoom; x++) {
        const pixel = (image * height + Math.floor(y / zoom)) * width + Math.floor(x / zoom);
        for (let c = 0; c < depth; c++) {
          const channel = depth === 3 ? c : tile % tilesPerImage;
          const value = shown[pixel * channels + channel]!;
          sheet[((top + y) * sheetWidth + left + x) * depth + c] = tone(value, channel);
        }
      }
    }
  }
  const data = new Uint8Array(sheet.buffer);
  return encode({ width: sheetWidth, height: sheetHeight, data, channels: depth, depth: 8 });
}

/** [N, H, W] as images of one channel, [N, F] as images of one row. */
function imageShape(shape: readonly number[]): readonly number[] {
  if (shape.length === 3) return [...shape, 1];
  return shape.length === 2 ? [shape[0]!, 1, shape[1]!, 1] : shape.length === 4 ? shape : [];
}

function denormalize(mean: readonly number[], std: readonly number[]): Tone {
  return (value, channel) => 255 * (value * (std[channel] ?? std[0]!) + (mean[channel] ?? mean[0]!));
}

function stretch(values: Float32Array): Tone {
  const step = Math.ceil(values.length / PERCENTILE_SAMPLES);
  const samples = Float32Array.from({ length: Math.ceil(values.length / step) }, (_, i) => values[i * step]!);
  samples.sort();
  const last = samples.length - 1;
  const black = samples[Math.floor(last * 0.01)]!;
  const white = samples[Math.ceil(last * 0.99)]!;
  // All values alike: middle gray.
  if (white === black) return () => 128;
  return (value) => (255 * (value - black)) / (white - black);
}
