/**
 * One entry of a checkpoint as bytes:
 *
 *   magic "GENIEckp" [8] | format version, uint32 [4] | length of the header, uint32 [4] |
 *   header, CBOR {key, fingerprint, description} | payload | SHA-256 of all before it [32]
 *
 * Integers are little-endian.
 */
import { decode, encode } from "cborg";
import { GenieError } from "../errors.ts";
import type { RunIdentity } from "./fingerprint.ts";
import { digestOf } from "./hash.ts";

/** Where an entry is, for messages. */
export interface EntryPlace {
  key: string;
  /** Of the store. */
  place: string;
}

const MAGIC = new TextEncoder().encode("GENIEckp");
const FORMAT_VERSION = 1;
const PREFIX_BYTES = MAGIC.length + 8;
const DIGEST_BYTES = 32;

export async function sealEntry(key: string, run: RunIdentity, payload: Uint8Array): Promise<Uint8Array> {
  const header = encode({ key, fingerprint: run.fingerprint, description: run.description });
  const bytes = new Uint8Array(PREFIX_BYTES + header.length + payload.length + DIGEST_BYTES);
  bytes.set(MAGIC);
  const prefix = new DataView(bytes.buffer);
  prefix.setUint32(MAGIC.length, FORMAT_VERSION, true);
  prefix.setUint32(MAGIC.length + 4, header.length, true);
  bytes.set(header, PREFIX_BYTES);
  bytes.set(payload, PREFIX_BYTES + header.length);
  const sealed = bytes.length - DIGEST_BYTES;
  bytes.set(await digestOf(bytes.subarray(0, sealed)), sealed);
  return bytes;
}

/**
 * The payload of an entry of this run.
 *
 * @throws GenieError `malformed-file` if the bytes are not what was written under this key; `foreign-checkpoint` if
 *   another run wrote them.
 */
export async function openEntry(bytes: Uint8Array, at: EntryPlace, run: RunIdentity): Promise<Uint8Array> {
  if (bytes.length < PREFIX_BYTES + DIGEST_BYTES || MAGIC.some((byte, index) => bytes[index] !== byte)) {
    throw damaged(at, "it does not begin as one, or is cut short");
  }
  const sealed = bytes.length - DIGEST_BYTES;
  const digest = await digestOf(bytes.subarray(0, sealed));
  if (digest.some((byte, index) => bytes[sealed + index] !== byte)) {
    throw damaged(at, "its checksum is wrong");
  }
  const prefix = new DataView(bytes.buffer, bytes.byteOffset, PREFIX_BYTES);
  const version = prefix.getUint32(MAGIC.length, true);
  if (version !== FORMAT_VERSION) {
    throw foreign(at, `another version of this package, in format ${version} and not ${FORMAT_VERSION}`);
  }
  const payloadStart = PREFIX_BYTES + prefix.getUint32(MAGIC.length + 4, true);
  if (payloadStart > sealed) throw damaged(at, "its header is longer than itself");
  const header = readHeader(bytes.subarray(PREFIX_BYTES, payloadStart), at);
  if (header.fingerprint !== run.fingerprint) {
    const isAlike = header.description === run.description;
    throw foreign(
      at,
      isAlike
        ? `a run of ${header.description} with other weights, options, workers, arithmetic (binary, kind of processor) or version of this package`
        : `another run: ${header.description}; this one is ${run.description}`,
    );
  }
  if (header.key !== at.key) throw damaged(at, `it was written as "${header.key}"`);
  return bytes.subarray(payloadStart, sealed);
}

/** An entry that is not what was written. */
export function damaged({ key, place }: EntryPlace, why: string): GenieError {
  return new GenieError("malformed-file", `entry "${key}" of the checkpoint in ${place} is damaged: ${why}`);
}

function foreign({ place }: EntryPlace, whose: string): GenieError {
  return new GenieError(
    "foreign-checkpoint",
    `the checkpoint in ${place} belongs to ${whose}; ` +
      "go on with the run that it belongs to, clear it, or name another place",
  );
}

function readHeader(bytes: Uint8Array, at: EntryPlace): RunIdentity & { key: string } {
  const header = decodeStrictly(bytes, at) as Partial<RunIdentity & { key: string }> | null;
  const { key, fingerprint, description } = header ?? {};
  if (typeof key !== "string" || typeof fingerprint !== "string" || typeof description !== "string") {
    throw damaged(at, "its header lacks key, fingerprint or description");
  }
  return { key, fingerprint, description };
}

/** CBOR, with every length checked against the bytes that are there. */
export function decodeStrictly(bytes: Uint8Array, at: EntryPlace): unknown {
  try {
    return decode(bytes, { strict: true, allowIndefinite: false, rejectDuplicateMapKeys: true });
  } catch (error) {
    throw damaged(at, error instanceof Error ? error.message : String(error));
  }
}
