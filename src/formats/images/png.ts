/** PNG files as pixels. */
import { GenieError } from "../../errors.ts";
import type { Pixels } from "./pixels.ts";

/** A file can claim a size of gigabytes in a few bytes. */
const MAX_PIXELS = 1e8;

/**
 * Decodes a PNG file to grey or RGB. Palettes are looked up, 16-bit channels keep their upper 8 bits, transparency
 * is dropped.
 *
 * @throws GenieError `malformed-file` for a damaged file, `invalid-data` for grey of fewer than 8 bits and for
 *   more than 100 million pixels.
 */
export async function decodePng(bytes: Uint8Array): Promise<Pixels> {
  const header = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // The header comes first: width and height at bytes 16 and 20.
  if (bytes.length < 24) throw new GenieError("malformed-file", "this PNG file is cut short");
  if (header.getUint32(16) * header.getUint32(20) > MAX_PIXELS) {
    throw new GenieError("invalid-data", "this PNG file says that it has more than 100 million pixels");
  }
  const { convertIndexedToRgb, decode } = await import("fast-png");
  let image: ReturnType<typeof decode>;
  try {
    image = decode(bytes, { checkCrc: true });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new GenieError("malformed-file", `this PNG file is damaged: ${message}`, { cause: error });
  }
  const { height, width, depth, palette } = image;
  if (!palette && depth < 8) {
    throw new GenieError(
      "invalid-data",
      `PNG files with ${depth} bits of grey are not supported; save 8 bits`,
    );
  }
  const [values, stored] = palette
    ? [convertIndexedToRgb(image), palette[0]!.length]
    : [image.data, image.channels];
  // One channel more than grey or colour is transparency.
  const channels = stored >= 3 ? 3 : 1;
  const shift = depth === 16 ? 8 : 0;
  const data = new Uint8Array(height * width * channels);
  for (let i = 0; i < data.length; i++) {
    data[i] = values[Math.floor(i / channels) * stored + (i % channels)]! >> shift;
  }
  return { height, width, channels, data };
}
