/** Pictures that are small and ask for much, and any that are damaged: refused with a typed error, in little memory. */
import { deflateSync } from "node:zlib";
import fc from "fast-check";
import { encode } from "fast-png";
import { describe, expect, it } from "vitest";
import { GenieError } from "../../../src/errors.ts";
import { Budget } from "../../../src/formats/budget.ts";
import { decodeImage } from "../../../src/formats/images/decode.ts";
import { crc32 } from "../../../src/formats/zip.ts";
import { measured } from "../../support/measured.ts";
import { fixture } from "./fixtures.ts";

function chunk(type: string, data: Uint8Array = new Uint8Array(0)): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}

function header(width: number, height: number, depth = 8, colour = 2, interlace = 0): Buffer {
  const data = Buffer.alloc(13);
  data.writeUInt32BE(width);
  data.writeUInt32BE(height, 4);
  data.set([depth, colour, 0, 0, interlace], 8);
  return chunk("IHDR", data);
}

const png = (...chunks: Uint8Array[]) =>
  Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), ...chunks, chunk("IEND")]);
/** Rows of RGB without a filter. */
const pixels = (width: number, height: number) =>
  chunk("IDAT", deflateSync(new Uint8Array(height * (1 + 3 * width))));
const ZEROS = new Uint8Array(2 ** 27);

describe("decodeImage", () => {
  it.each<[string, () => Uint8Array | Promise<Uint8Array>, string, RegExp]>([
    [
      "pixels that unpack to 128 MB",
      () => png(header(4, 4), chunk("IDAT", deflateSync(ZEROS))),
      "malformed-file",
      /unpacks to more than 52 bytes/,
    ],
    [
      "a second header",
      () => png(header(1, 1), header(15_000, 15_000), pixels(1, 1)),
      "malformed-file",
      /no header, or several/,
    ],
    [
      "16 bits of RGBA",
      () => png(header(7000, 7000, 16, 6), pixels(1, 1)),
      "limit-exceeded",
      /268435456 bytes as pixels/,
    ],
    [
      "a palette of no colours",
      () => png(header(1, 1, 8, 3), chunk("PLTE"), chunk("IDAT", deflateSync(new Uint8Array(2)))),
      "malformed-file",
      /damaged/,
    ],
    [
      "an index beyond the palette",
      () =>
        png(
          header(1, 1, 8, 3),
          chunk("PLTE", new Uint8Array(3)),
          chunk("IDAT", deflateSync(Uint8Array.of(0, 9))),
        ),
      "malformed-file",
      /damaged/,
    ],
    ["no columns", () => png(header(0, 5), pixels(1, 1)), "malformed-file", /impossible/],
    [
      "a JPEG frame of 20000 × 20000",
      async () => frame(await fixture("444.jpg"), 20_000),
      "limit-exceeded",
      /JPEG/,
    ],
    [
      "a hundred scans",
      async () => scans(await fixture("progressive.jpg"), 100),
      "malformed-file",
      /64 scans/,
    ],
  ])("refuses %s", async (_what, make, code, message) => {
    const bytes = await make();
    expect(bytes.length).toBeLessThan(200_000);
    const { result, peak } = await measured(() => decodeImage(bytes).catch((error: unknown) => error));
    expect(result).toBeInstanceOf(GenieError);
    expect(result).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(peak).toBeLessThan(60e6);
  });

  it("does not unpack a colour profile, which it has no use for", async () => {
    const profile = chunk("iCCP", Buffer.concat([Buffer.from("x\0\0", "latin1"), deflateSync(ZEROS)]));
    const { result, peak } = await measured(() => decodeImage(png(header(2, 2), profile, pixels(2, 2))));
    expect(result).toMatchObject({ width: 2, height: 2, channels: 3 });
    expect(peak).toBeLessThan(60e6);
  });

  it("knows the size of interlaced pictures", async () => {
    // Adam7 of 3 × 2 pixels: passes of 1×1, 1×1 (column 2, none of column 4), 1×1 (column 1) and 3×1.
    const passes = Uint8Array.of(0, 1, 1, 1, 0, 3, 3, 3, 0, 2, 2, 2, 0, 4, 4, 4, 5, 5, 5, 6, 6, 6);
    const image = await decodeImage(png(header(3, 2, 8, 2, 1), chunk("IDAT", deflateSync(passes))));
    expect([...image.data]).toEqual([1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 6]);
  });

  it("takes larger pictures from a larger budget", async () => {
    const bytes = png(header(30, 30), pixels(30, 30));
    await expect(decodeImage(bytes, new Budget({ pictureBytes: 2699 }))).rejects.toMatchObject({
      code: "limit-exceeded",
    });
    await expect(decodeImage(bytes, new Budget({ pictureBytes: 2700 }))).resolves.toMatchObject({
      width: 30,
    });
  });

  it("answers any damage with a GenieError, or a picture", async () => {
    const sources = [
      await fixture("444.jpg"),
      await fixture("progressive.jpg"),
      await fixture("palette.png"),
      encode({ width: 5, height: 5, data: new Uint8Array(75).map((_, i) => 3 * i), channels: 3 }),
    ];
    const changes = fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(255)), {
      maxLength: 6,
    });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...sources),
        changes,
        fc.boolean(),
        async (source, damage, isEarly) => {
          const bytes = source.slice();
          // Headers are where sizes stand.
          const length = isEarly ? Math.min(bytes.length, 200) : bytes.length;
          for (const [share, value] of damage) bytes[Math.floor(share * (length - 1))] = value;
          const result = await decodeImage(bytes, new Budget({ pictureBytes: 1e6 })).catch(
            (error: unknown) => error,
          );
          if (result instanceof Error) expect(result).toBeInstanceOf(GenieError);
          else expect(result).toMatchObject({ data: expect.any(Uint8Array) });
        },
      ),
      { numRuns: 300 },
    );
  });
});

/** The picture with another size in its frame header. */
function frame(jpeg: Uint8Array, side: number): Uint8Array {
  const bytes = Buffer.from(jpeg);
  const at = bytes.indexOf(Buffer.from([0xff, 0xc0]));
  bytes.writeUInt16BE(side, at + 5);
  bytes.writeUInt16BE(side, at + 7);
  return bytes;
}

/** The picture with its last scan so many times. */
function scans(jpeg: Uint8Array, count: number): Uint8Array {
  const bytes = Buffer.from(jpeg);
  const start = bytes.lastIndexOf(Buffer.from([0xff, 0xda]));
  const scan = bytes.subarray(start, bytes.length - 2);
  return Buffer.concat([
    bytes.subarray(0, start),
    ...Array.from({ length: count }, () => scan),
    bytes.subarray(-2),
  ]);
}
