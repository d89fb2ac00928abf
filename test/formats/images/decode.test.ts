/** Decoders against Pillow's pixels (generateFixtures.py). */
import { encode } from "fast-png";
import { describe, expect, it } from "vitest";
import { decodeImage } from "../../../src/formats/images/decode.ts";
import { withChannels } from "../../../src/formats/images/pixels.ts";
import { fixture, fixturePixels, pixelsOf } from "./fixtures.ts";

describe("decodeImage", () => {
  it.each(["444.jpg", "420.jpg", "progressive.jpg", "grey.jpg", "palette.png", "alpha.png"])(
    "gives Pillow's pixels of %s",
    async (name) => {
      const image = await decodeImage(await fixture(name));
      expect(withChannels(image, 3)).toEqual(await fixturePixels(`${name}.npy`));
    },
  );

  it("takes the upper bits of 16, and of two channels the grey one", async () => {
    const data = Uint16Array.of(0x0180, 0xffff, 0x8000, 0, 0xff00, 1);
    const png = encode({ width: 3, height: 1, data, depth: 16, channels: 2 });
    expect(await decodeImage(png)).toEqual(pixelsOf(1, 3, 1, [0x01, 0x80, 0xff]));
  });

  it("decodes on after a damaged file", async () => {
    await expect(decodeImage((await fixture("444.jpg")).subarray(0, 200))).rejects.toThrow(/damaged/);
    expect(await decodeImage(await fixture("444.jpg"))).toEqual(await fixturePixels("444.jpg.npy"));
  });

  const cut = (bytes: Uint8Array, share: number) => bytes.slice(0, Math.floor(bytes.length * share));
  const flip = (bytes: Uint8Array, at: number) => bytes.map((byte, i) => (i === at ? byte ^ 0xff : byte));

  it.each<[string, () => Promise<Uint8Array>, RegExp]>([
    ["a text", async () => new TextEncoder().encode("a picture, honestly"), /neither a JPEG nor a PNG/],
    ["an empty file", async () => new Uint8Array(0), /neither a JPEG nor a PNG/],
    ["a JPEG file cut in its header", async () => cut(await fixture("420.jpg"), 0.3), /JPEG file is damaged/],
    ["a JPEG file cut in its pixels", async () => cut(await fixture("420.jpg"), 0.9), /Premature end/],
    ["a JPEG file of CMYK", () => fixture("cmyk.jpg"), /JPEG file is damaged: .*color/i],
    ["a PNG file cut short", async () => cut(await fixture("alpha.png"), 0.5), /PNG file is damaged/],
    [
      "a PNG header alone",
      async () => (await fixture("alpha.png")).slice(0, 20),
      /PNG file is damaged: it is cut short/,
    ],
    [
      "a PNG file with a flipped byte",
      async () => flip(await fixture("alpha.png"), 300),
      /PNG file is damaged/,
    ],
    [
      "a PNG file that claims a gigapixel",
      async () => gigapixel(await fixture("alpha.png")),
      /268435456 bytes as pixels/,
    ],
  ])("refuses %s", async (_what, bytes, message) => {
    const error = await decodeImage(await bytes()).catch((e: unknown) => e);
    expect(error).toMatchObject({ name: "GenieError", message: expect.stringMatching(message) });
  });
});

function gigapixel(png: Uint8Array): Uint8Array {
  const bytes = png.slice();
  new DataView(bytes.buffer).setUint32(16, 2 ** 30);
  return bytes;
}

describe("withChannels", () => {
  it("makes Pillow's grey", async () => {
    const original = await fixturePixels("original.npy");
    expect(withChannels(original, 1)).toEqual(await fixturePixels("luma.npy"));
  });

  it("repeats grey, and gets it back", () => {
    const grey = pixelsOf(1, 3, 1, [0, 99, 255]);
    expect([...withChannels(grey, 3).data]).toEqual([0, 0, 0, 99, 99, 99, 255, 255, 255]);
    expect(withChannels(withChannels(grey, 3), 1)).toEqual(grey);
  });
});
