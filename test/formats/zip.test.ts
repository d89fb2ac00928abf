/** Archives that are damaged, or small and ask for much. */
import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { zipSync } from "fflate";
import { describe, expect, it } from "vitest";
import { GenieError } from "../../src/errors.ts";
import { Budget } from "../../src/formats/budget.ts";
import { crc32, unzip } from "../../src/formats/zip.ts";
import { measured } from "../support/measured.ts";

const text = new TextEncoder().encode("to be, or not to be: that is the question. ".repeat(20));
const random = Uint8Array.from({ length: 500 }, (_, i) => (i * i * 31) >> 3);
const archive = (level: 0 | 6) => zipSync({ a: text, b: random }, { level });
const read = (bytes: Uint8Array, limits = {}) => unzip(bytes, ["a", "b"], new Budget(limits));

/** Entries of an archive as somebody hostile writes them: what each says of itself, and where it says that it lies. */
function forged(
  entries: { name: string; size: number; offset: number; crc: number }[],
  packed: Uint8Array,
): Uint8Array {
  const local = Buffer.alloc(31);
  local.writeUInt32LE(0x04034b50);
  local.writeUInt16LE(1, 26);
  local.write("a", 30);
  const records = entries.map(({ name, size, offset, crc }) => {
    const record = Buffer.alloc(46 + name.length);
    record.writeUInt32LE(0x02014b50);
    record.writeUInt16LE(8, 10);
    record.writeUInt32LE(crc, 16);
    record.writeUInt32LE(packed.length, 20);
    record.writeUInt32LE(size, 24);
    record.writeUInt16LE(name.length, 28);
    record.writeUInt32LE(offset, 42);
    record.write(name, 46);
    return record;
  });
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(local.length + packed.length, 16);
  return Buffer.concat([local, packed, ...records, end]);
}

describe("unzip", () => {
  it.each([0, 6] as const)("gives what was packed at level %i", async (level) => {
    expect(await read(archive(level))).toEqual(
      new Map([
        ["a", text],
        ["b", random],
      ]),
    );
  });

  it("knows the standard's check value of CRC-32", () => {
    expect(crc32(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
  });

  it("finds every flipped bit of the packed data", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 7 }), fc.integer({ min: 40, max: 400 }), async (bit, at) => {
        const bytes = archive(0);
        bytes[at]! ^= 1 << bit;
        await expect(read(bytes)).rejects.toMatchObject({ name: "GenieError", code: "malformed-file" });
      }),
      { numRuns: 50 },
    );
  });

  it("answers any damage with a GenieError, or the right bytes", async () => {
    const damage = fc.array(fc.tuple(fc.nat(700), fc.nat(255)), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(damage, fc.nat(700), async (changes, end) => {
        const bytes = archive(6).slice(0, end + 300);
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        const result = await read(bytes).catch((error: unknown) => error);
        if (result instanceof Map)
          for (const [name, data] of result) expect(data).toEqual(name === "a" ? text : random);
        else expect(result).toBeInstanceOf(GenieError);
      }),
      { numRuns: 300 },
    );
  });

  const bomb = deflateRawSync(new Uint8Array(2 ** 27));

  it("stops an entry that unpacks to more than it says", async () => {
    const bytes = forged([{ name: "a", size: 1000, offset: 0, crc: 0 }], bomb);
    const { result, peak } = await measured(() => read(bytes).catch((error: unknown) => error));
    expect(result).toMatchObject({ code: "malformed-file" });
    expect(peak).toBeLessThan(60e6);
  });

  it("refuses an entry that says so, before it is unpacked", async () => {
    const bytes = forged([{ name: "a", size: 2 ** 31, offset: 0, crc: 0 }], bomb);
    const { result, peak } = await measured(() => read(bytes).catch((error: unknown) => error));
    expect(result).toMatchObject({ code: "limit-exceeded" });
    expect(peak).toBeLessThan(60e6);
  });

  it("refuses entries that share bytes, and two of one name", async () => {
    const packed = deflateRawSync(text);
    const entry = { size: text.length, offset: 0, crc: crc32(text) };
    const two = (first: string, second: string) =>
      read(
        forged(
          [
            { name: first, ...entry },
            { name: second, ...entry },
          ],
          packed,
        ),
      );
    await expect(two("a", "b")).rejects.toThrow(/share bytes/);
    await expect(two("a", "a")).rejects.toThrow(/one name/);
    await expect(read(forged([{ name: "a", ...entry }], packed))).resolves.toEqual(new Map([["a", text]]));
  });

  it("takes the entries of an archive from the budget", async () => {
    await expect(read(archive(0), { entries: 1 })).rejects.toMatchObject({ code: "limit-exceeded" });
  });
});
