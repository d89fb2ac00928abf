/**
 * JPEG files as pixels, by mozjpeg's decoder (libjpeg-turbo) in WebAssembly: bit for bit what libjpeg, and so Pillow
 * and OpenCV, give.
 */
import { GenieError } from "../../errors.ts";
import { Budget } from "../budget.ts";
import { readUrl } from "../readUrl.ts";
import type { Pixels } from "./pixels.ts";

const DECODER_URL = new URL(
  "../../../node_modules/@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm",
  import.meta.url,
);

type Decoder = (bytes: Uint8Array) => ImageData | null;

let binary: Promise<WebAssembly.Module> | undefined;
let decoder: Promise<Decoder> | undefined;
/** What libjpeg says about the file that it is decoding. */
let complaints: string[] = [];

/**
 * Decodes a JPEG file to RGB; grey files have three equal channels. The orientation in EXIF data is not applied, as
 * the loaders of training frameworks do not either.
 *
 * @throws GenieError `malformed-file` for what libjpeg cannot decode (CMYK among it) or repairs only with a warning;
 *   `limit-exceeded`.
 */
export async function decodeJpeg(bytes: Uint8Array, budget = new Budget()): Promise<Pixels> {
  spendJpeg(bytes, budget);
  decoder ??= startDecoder();
  const decode = await decoder;
  complaints = [];
  let image: ImageData | null = null;
  try {
    image = decode(bytes);
  } catch (error) {
    // libjpeg ends its program, which the next file must not find ended.
    decoder = undefined;
    if (complaints.length === 0) complaints.push((error as Error).message);
  }
  if (!image || complaints.length > 0) {
    throw new GenieError(
      "malformed-file",
      `this JPEG file is damaged: ${complaints.join("; ") || "no image"}`,
    );
  }
  const { width, height, data: rgba } = image;
  const data = new Uint8Array(height * width * 3);
  for (let pixel = 0; pixel < height * width; pixel++) {
    for (let c = 0; c < 3; c++) data[pixel * 3 + c] = rgba[pixel * 4 + c]!;
  }
  return { height, width, channels: 3, data };
}

async function startDecoder(): Promise<Decoder> {
  const { default: createModule } = await import("@jsquash/jpeg/codec/dec/mozjpeg_dec.js");
  binary ??= readUrl(DECODER_URL).then((code) => WebAssembly.compile(code as Uint8Array<ArrayBuffer>));
  const compiled = await binary;
  const options = {
    noInitialRun: true,
    instantiateWasm(imports: WebAssembly.Imports, onDone: (instance: WebAssembly.Instance) => void) {
      const instance = new WebAssembly.Instance(compiled, imports);
      onDone(instance);
      return instance.exports;
    },
    printErr: (line: string) => {
      complaints.push(line);
    },
  };
  const module = await createModule(options as Parameters<typeof createModule>[0]);
  return (bytes) => module.decode(bytes as Uint8Array<ArrayBuffer>, false);
}

/** More than ten scans are no photograph; each is a walk over all pixels, however short it is. */
const MAX_SCANS = 64;

/**
 * Takes the picture from the budget as its frame header announces it, to be found as libjpeg finds markers.
 *
 *   FF D8 │ FF marker, length, … │ FF C0…CF, length, precision, height, width │ … │ FF DA, length, …, scan │ …
 */
function spendJpeg(bytes: Uint8Array, budget: Budget): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let isFramed = false;
  let scans = 0;
  for (let at = 2; at + 9 < bytes.length; at++) {
    // In a scan FF is followed by 00 or a restart marker, D0 to D7; FF fills.
    if (bytes[at] !== 0xff || bytes[at + 1] === 0xff) continue;
    const marker = bytes[at + 1]!;
    if (marker < 0xc0 || (marker >= 0xd0 && marker <= 0xd9)) continue;
    // C4, C8 and CC are tables and extensions.
    if (marker < 0xd0 && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc && !isFramed) {
      isFramed = true;
      const pixels = view.getUint16(at + 5) * view.getUint16(at + 7);
      // libjpeg's colours come as RGBA.
      budget.spend("pictureBytes", pixels * 4, "this JPEG file");
    }
    if (marker === 0xda && ++scans > MAX_SCANS) {
      throw new GenieError("malformed-file", `this JPEG file has more than ${MAX_SCANS} scans`);
    }
    at += 1 + Math.max(view.getUint16(at + 2), 2);
  }
}
