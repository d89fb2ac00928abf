/** PNG files as pixels. */
import { GenieError } from "../../errors.ts";
import { Budget } from "../budget.ts";
import { concatenate } from "../concatenate.ts";
import { inflateWithin } from "../inflate.ts";
import type { Pixels } from "./pixels.ts";

/**
 * Decodes a PNG file to grey or RGB. Palettes are looked up, 16-bit channels keep their upper 8 bits, transparency
 * is dropped, and so is all that is no pixel (colour profiles, texts).
 *
 * @throws GenieError `malformed-file` for a damaged file, `invalid-data` for grey of fewer than 8 bits,
 *   `limit-exceeded`.
 */
export async function decodePng(bytes: Uint8Array, budget = new Budget()): Promise<Pixels> {
  const file = await boundedPng(bytes, budget);
  const { convertIndexedToRgb, decode } = await import("fast-png");
  let image: ReturnType<typeof decode>;
  let colours: Uint8Array | undefined;
  try {
    image = decode(file, { checkCrc: true });
    // A pixel may name a colour that the palette does not have.
    if (image.palette) colours = convertIndexedToRgb(image);
  } catch (error) {
    throw damaged(error instanceof Error ? error.message : String(error), error);
  }
  const { height, width, depth } = image;
  if (!colours && depth < 8) {
    throw new GenieError(
      "invalid-data",
      `PNG files with ${depth} bits of grey are not supported; save 8 bits`,
    );
  }
  const values = colours ?? image.data;
  const stored = colours ? colours.length / (height * width) : image.channels;
  // One channel more than grey or colour is transparency.
  const channels = stored >= 3 ? 3 : 1;
  const shift = depth === 16 ? 8 : 0;
  const data = new Uint8Array(height * width * channels);
  for (let i = 0; i < data.length; i++) {
    data[i] = values[Math.floor(i / channels) * stored + (i % channels)]! >> shift;
  }
  return { height, width, channels, data };
}

/** How many samples a pixel has, by its colour type: grey, RGB, index, grey and alpha, RGB and alpha. */
const SAMPLES: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

/** First column, first row and steps of Adam7's passes. */
const PASSES = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

/**
 * The file without what is no pixel, seen to be as large as it says: the decoder would unpack what there is, profiles
 * too, and believe a second header.
 *
 *   signature │ length "IHDR" width height depth colour … crc │ … │ length "IDAT" data crc │ … │ length "IEND" crc
 */
async function boundedPng(bytes: Uint8Array, budget: Budget): Promise<Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const chunks: { type: string; start: number; end: number }[] = [];
  for (let start = 8; chunks.at(-1)?.type !== "IEND"; start = chunks.at(-1)!.end) {
    if (start + 12 > bytes.length) throw damaged("it is cut short");
    const end = start + 12 + view.getUint32(start);
    if (end > bytes.length) throw damaged("it is cut short");
    chunks.push({ type: String.fromCharCode(...bytes.subarray(start + 4, start + 8)), start, end });
  }
  const [header] = chunks;
  const isHeader = ({ type }: { type: string }) => type === "IHDR";
  if (header!.end - header!.start !== 25 || chunks.findLastIndex(isHeader) !== 0) {
    throw damaged("it has no header, or several");
  }
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  const [depth, colour, interlace] = [bytes[24]!, bytes[25]!, bytes[28]!];
  const samples = SAMPLES[colour];
  if (!samples || width === 0 || height === 0) throw damaged("its header is impossible");
  const shown = colour === 3 ? 4 : samples * Math.ceil(depth / 8);
  budget.spend("pictureBytes", width * height * shown, "this PNG file");
  // Each row is its pixels behind a byte that names its filter.
  const sizeOf = (columns: number, rows: number) =>
    columns && rows * (1 + Math.ceil((columns * samples * depth) / 8));
  const size = interlace
    ? PASSES.reduce(
        (sum, [x, y, dx, dy]) => sum + sizeOf(Math.ceil((width - x) / dx), Math.ceil((height - y) / dy)),
        0,
      )
    : sizeOf(width, height);
  const parts = (types: readonly string[]) => chunks.filter(({ type }) => types.includes(type));
  const data = concatenate(parts(["IDAT"]).map(({ start, end }) => bytes.subarray(start + 8, end - 4)));
  try {
    await inflateWithin(data, size, "zlib");
  } catch (error) {
    throw damaged((error as Error).message, error);
  }
  const kept = parts(["IHDR", "PLTE", "IDAT", "IEND"]).map(({ start, end }) => bytes.subarray(start, end));
  return concatenate([bytes.subarray(0, 8), ...kept]);
}

function damaged(why: string, cause?: unknown): GenieError {
  return new GenieError("malformed-file", `this PNG file is damaged: ${why}`, { cause });
}
