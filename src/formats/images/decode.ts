/** JPEG and PNG files as pixels. */
import { GenieError } from "../../errors.ts";

/** Pixels [height, width, channels], 0…255; one channel is grey, three are red, green and blue. */
export interface Pixels {
  height: number;
  width: number;
  channels: number;
  data: Uint8Array;
}

/** Bounds for files that claim to be larger than any picture. */
const MAX_MEGAPIXELS = 100;
const MAX_MEMORY_MB = 1024;

export function isImageName(name: string): boolean {
  return /\.(?:jpe?g|png)$/i.test(name);
}

/**
 * Decodes a picture; transparency is dropped, 16-bit channels keep their upper 8 bits.
 *
 * @throws GenieError `malformed-file` for bytes that are neither JPEG nor PNG, damaged, or too large.
 */
export async function decodeImage(bytes: Uint8Array): Promise<Pixels> {
  const isJpeg = bytes[0] === 0xff && bytes[1] === 0xd8;
  const isPng = bytes[0] === 0x89 && bytes[1] === 0x50;
  if (!isJpeg && !isPng) throw new GenieError("malformed-file", "this is neither a JPEG nor a PNG file");
  try {
    return isJpeg ? await decodeJpeg(bytes) : await decodePng(bytes);
  } catch (error) {
    if (error instanceof GenieError) throw error;
    throw new GenieError(
      "malformed-file",
      `this picture cannot be decoded: ${(error as Error)?.message ?? error}`,
      {
        cause: error,
      },
    );
  }
}

async function decodeJpeg(bytes: Uint8Array): Promise<Pixels> {
  const { decode } = await import("jpeg-js");
  const { height, width, data } = decode(bytes, {
    useTArray: true,
    formatAsRGBA: false,
    tolerantDecoding: false,
    maxResolutionInMP: MAX_MEGAPIXELS,
    maxMemoryUsageInMB: MAX_MEMORY_MB,
  });
  return { height, width, channels: 3, data };
}

async function decodePng(bytes: Uint8Array): Promise<Pixels> {
  const size = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // The header comes first: width and height at bytes 16 and 20.
  if (bytes.length < 24 || size.getUint32(16) * size.getUint32(20) > MAX_MEGAPIXELS * 1e6) {
    throw new GenieError("malformed-file", "this PNG file is cut short, or too large");
  }
  const { convertIndexedToRgb, decode } = await import("fast-png");
  const image = decode(bytes);
  const { height, width, depth, palette } = image;
  const [values, stored] = palette
    ? [convertIndexedToRgb(image), palette[0]!.length]
    : [image.data, image.channels];
  if (!palette && depth < 8)
    throw new GenieError("malformed-file", `PNG files of ${depth} bits are not supported`);
  // Grey and colour may have transparency behind them.
  const channels = stored >= 3 ? 3 : 1;
  const shift = depth === 16 ? 8 : 0;
  const data = new Uint8Array(height * width * channels);
  for (let i = 0; i < data.length; i++) {
    data[i] = values[Math.floor(i / channels) * stored + (i % channels)]! >> shift;
  }
  return { height, width, channels, data };
}

/** The same picture with 1 or 3 channels: grey = 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601). */
export function withChannels(image: Pixels, channels: number): Pixels {
  if (image.channels === channels) return image;
  const pixels = image.height * image.width;
  const data = new Uint8Array(pixels * channels);
  for (let i = 0; i < pixels; i++) {
    if (channels === 3) data.fill(image.data[i]!, 3 * i, 3 * i + 3);
    else {
      const [red, green, blue] = image.data.subarray(3 * i, 3 * i + 3);
      data[i] = Math.round(0.299 * red! + 0.587 * green! + 0.114 * blue!);
    }
  }
  return { ...image, channels, data };
}
