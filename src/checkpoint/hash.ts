/** SHA-256 that does not keep the thread; also where `crypto.subtle` is missing, as on pages that are not secure. */
import { sha256 } from "@noble/hashes/sha2.js";
import { createBreather } from "../progress.ts";

/** Takes about a millisecond. */
const CHUNK_BYTES = 2 ** 17;

export interface Hash {
  /** Lets the event loop run at least every 50 ms. */
  update(bytes: Uint8Array): Promise<void>;
  digest(): Uint8Array;
}

export function createHash(): Hash {
  const hash = sha256.create();
  const breathe = createBreather(undefined);
  return {
    async update(bytes) {
      for (let start = 0; start < bytes.length; start += CHUNK_BYTES) {
        hash.update(bytes.subarray(start, start + CHUNK_BYTES));
        await breathe();
      }
    },
    digest: () => hash.digest(),
  };
}

export async function digestOf(bytes: Uint8Array): Promise<Uint8Array> {
  const hash = createHash();
  await hash.update(bytes);
  return hash.digest();
}
