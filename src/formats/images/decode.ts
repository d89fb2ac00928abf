/** Picture files as pixels: the format is told by the first bytes. */
import { GenieError } from "../../errors.ts";
import { decodeJpeg } from "../jpeg.ts";
import type { Pixels } from "./pixels.ts";
import { decodePng } from "./png.ts";

const JPEG = [0xff, 0xd8, 0xff];
const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

export function isImageName(name: string): boolean {
  return /\.(?:jpe?g|png)$/i.test(name);
}

/**
 * Decodes a JPEG or PNG file.
 *
 * @throws GenieError `malformed-file` for bytes that are neither, or damaged; `invalid-data` as `decodePng`.
 */
export async function decodeImage(bytes: Uint8Array): Promise<Pixels> {
  if (beginsWith(bytes, JPEG)) return decodeJpeg(bytes);
  if (beginsWith(bytes, PNG)) return decodePng(bytes);
  throw new GenieError("malformed-file", "this is neither a JPEG nor a PNG file");
}

function beginsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, index) => bytes[index] === byte);
}
