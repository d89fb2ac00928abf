/**
 * JPEG files as pixels, by mozjpeg's decoder (libjpeg-turbo) in WebAssembly: bit for bit what libjpeg, and so Pillow
 * and OpenCV, give.
 */
import { GenieError } from "../../errors.ts";
import { readUrl } from "../../session/readUrl.ts";
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
 * @throws GenieError `malformed-file` for what libjpeg cannot decode (CMYK among it) or repairs only with a warning.
 */
export async function decodeJpeg(bytes: Uint8Array): Promise<Pixels> {
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
