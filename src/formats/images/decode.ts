/** Picture files as pixels: the format is told by the first bytes. */
import { GenieError } from "../../errors.ts";
import type { Budget } from "../budget.ts";
import { holdsMagic } from "../magic.ts";
import { decodeJpeg } from "./jpeg.ts";
import type { Pixels } from "./pixels.ts";
import { decodePng } from "./png.ts";

const JPEG = "\xff\xd8\xff";
const PNG = "\x89PNG\r\n\x1a\n";

export function isImageName(name: string): boolean {
  return /\.(?:jpe?g|png)$/i.test(name);
}

/**
 * Decodes a JPEG or PNG file.
 *
 * @param budget Default: one of its own.
 * @throws GenieError `malformed-file` for bytes that are neither, or damaged; `invalid-data` as `decodePng`.
 */
export async function decodeImage(bytes: Uint8Array, budget?: Budget): Promise<Pixels> {
  if (holdsMagic(bytes, JPEG)) return decodeJpeg(bytes, budget);
  if (holdsMagic(bytes, PNG)) return decodePng(bytes, budget);
  throw new GenieError("malformed-file", "this is neither a JPEG nor a PNG file");
}
