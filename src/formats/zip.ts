/**
 * Zip archives: single entries, each unpacked into the size that it states, no more, and checked by its CRC-32.
 *
 *   local header · name · extra · data │ … │ central directory: a record for each entry │ end record
 *
 * Format: PKWARE's APPNOTE.TXT, sections 4.3.7, 4.3.12 and 4.3.16; stored and deflated entries, no zip64.
 */
import { GenieError } from "../errors.ts";
import type { Budget } from "./budget.ts";
import { inflateWithin } from "./inflate.ts";

interface Entry {
  name: string;
  method: number;
  crc: number;
  packed: number;
  size: number;
  /** Of its local header. */
  offset: number;
}

const END = 0x06054b50;
const RECORD = 0x02014b50;
const LOCAL = 0x04034b50;
const END_SIZE = 22;
const RECORD_SIZE = 46;
const LOCAL_SIZE = 30;
/** The comment behind the end record has a 16-bit length. */
const MAX_COMMENT = 0xffff;

/**
 * Unpacks the entries called `names`, of which some may be missing.
 *
 * @throws GenieError `malformed-file` where the archive is damaged, or two entries have one name or share bytes;
 *   `limit-exceeded`.
 */
export async function unzip(
  bytes: Uint8Array,
  names: readonly string[],
  budget: Budget,
): Promise<Map<string, Uint8Array>> {
  try {
    const wanted = readDirectory(bytes, budget).filter(({ name }) => names.includes(name));
    if (new Set(wanted.map(({ name }) => name)).size < wanted.length)
      throw damaged("two entries have one name");
    const places = wanted.map((entry) => ({ entry, ...placeOf(bytes, entry) }));
    places.sort((a, b) => a.start - b.start);
    if (places.some(({ start }, i) => i > 0 && start < places[i - 1]!.end))
      throw damaged("entries share bytes");
    const unpacked = new Map<string, Uint8Array>();
    for (const { entry, data } of places) {
      budget.spend("unpackedBytes", entry.size, `"${entry.name}" in the archive`);
      const out = entry.method === 0 ? data : await inflateWithin(data, entry.size);
      if (out.length !== entry.size || crc32(out) !== entry.crc) {
        throw damaged(`the bytes of "${entry.name}" are not those that were packed`);
      }
      unpacked.set(entry.name, out);
    }
    return unpacked;
  } catch (error) {
    throw error instanceof GenieError ? error : damaged("it is truncated", error);
  }
}

function readDirectory(bytes: Uint8Array, budget: Budget): Entry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.length - END_SIZE;
  while (view.getUint32(end, true) !== END) {
    if (--end < bytes.length - END_SIZE - MAX_COMMENT) throw damaged("it is truncated");
  }
  const count = view.getUint16(end + 10, true);
  budget.spend("entries", count, "the archive");
  const entries: Entry[] = [];
  let at = view.getUint32(end + 16, true);
  for (let i = 0; i < count; i++) {
    if (view.getUint32(at, true) !== RECORD) throw damaged("its directory is broken");
    const [name, extra, comment] = [28, 30, 32].map((field) => view.getUint16(at + field, true)) as [
      number,
      number,
      number,
    ];
    const start = at + RECORD_SIZE;
    entries.push({
      name: new TextDecoder().decode(bytes.subarray(start, start + name)),
      method: view.getUint16(at + 10, true),
      crc: view.getUint32(at + 16, true),
      packed: view.getUint32(at + 20, true),
      size: view.getUint32(at + 24, true),
      offset: view.getUint32(at + 42, true),
    });
    at = start + name + extra + comment;
  }
  return entries;
}

function placeOf(bytes: Uint8Array, entry: Entry): { data: Uint8Array; start: number; end: number } {
  const { offset, packed, name, method } = entry;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(offset, true) !== LOCAL) throw damaged(`"${name}" is not where its directory says`);
  if (method !== 0 && method !== 8) throw damaged(`"${name}" is compressed in a way that is not supported`);
  const from = offset + LOCAL_SIZE + view.getUint16(offset + 26, true) + view.getUint16(offset + 28, true);
  const end = from + packed;
  if (end > bytes.length) throw damaged("it is truncated");
  return { data: bytes.subarray(from, end), start: offset, end };
}

function damaged(why: string, cause?: unknown): GenieError {
  return new GenieError("malformed-file", `this zip archive cannot be read: truncated or damaged (${why})`, {
    cause,
  });
}

/** Remainders of each byte by the polynomial of IEEE 802.3, lowest bit first. */
const REMAINDERS = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** CRC-32 as zip and PNG have it. */
export function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) crc = (crc >>> 8) ^ REMAINDERS[(crc ^ bytes[i]!) & 0xff]!;
  return ~crc >>> 0;
}
