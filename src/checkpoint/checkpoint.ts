/** What a run keeps so that it can go on after it was stopped: finished batches of images and finished blocks. */
import { GenieError } from "../errors.ts";
import type { BlockStore } from "../quantization/reconstruct.ts";
import type { BatchStore } from "../synthesis/distill.ts";
import { decodeBlock, encodeBlock } from "./blockCodec.ts";
import { damaged, openEntry, sealEntry } from "./entry.ts";
import type { RunIdentity } from "./fingerprint.ts";
import { type CheckpointStore, OWNER_KEY } from "./store.ts";

/**
 * `batch` and `block` give what was saved, bit for bit, or undefined if nothing was, or if it is damaged: then a note says
 * so, and what is computed anew takes its place.
 *
 * All methods throw GenieError `foreign-checkpoint` for an entry of another run, and what the store throws when it is
 * written.
 */
export interface Checkpoint extends BatchStore, BlockStore {
  /** Removes all of it: the run is finished, or shall begin anew. */
  clear(): Promise<void>;
  /** Lets other runs come to it. */
  release(): Promise<void>;
}

/**
 * The checkpoint of this run in `store`, held until it is released: an empty one is taken, one of the same run is gone on
 * with. Each entry says whose it is: where what says so of the whole is damaged, those of this run are still known.
 *
 * @param onNote Told what is damaged and computed anew.
 * @throws GenieError `foreign-checkpoint` if it is another run's, `in-use` if another run is at work on it,
 *   `malformed-file` if the place cannot be read.
 */
export async function openCheckpoint(
  store: CheckpointStore,
  run: RunIdentity,
  onNote?: (note: string) => void,
): Promise<Checkpoint> {
  const { place } = store;
  const release = (await store.hold?.(onNote)) ?? (async () => {});
  /** What `read` makes of an entry; undefined if it is not there or not what was written. */
  const intact = async <T>(key: string, read: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof GenieError) || error.code !== "malformed-file") throw error;
      onNote?.(
        `${error.message}; ${key === OWNER_KEY ? "the others are looked at one by one" : "it is computed anew"}`,
      );
      return undefined;
    }
  };
  const payloadOf = (key: string, bytes: Uint8Array): Promise<Uint8Array> =>
    openEntry(bytes, { key, place }, run);
  const load = async (key: string): Promise<Uint8Array | undefined> => {
    const bytes = await store.get(key);
    return bytes && payloadOf(key, bytes);
  };
  let isOwned: boolean;
  try {
    // A place that cannot be read could not be written either: that is said before any work.
    const owner = await store.get(OWNER_KEY);
    isOwned = (owner && (await intact(OWNER_KEY, () => payloadOf(OWNER_KEY, owner)))) !== undefined;
  } catch (error) {
    await release();
    throw error;
  }
  const save = async (key: string, payload: Uint8Array): Promise<void> => {
    if (!isOwned) {
      // With the first result: a run that is refused leaves nothing behind.
      await store.set(OWNER_KEY, await sealEntry(OWNER_KEY, run, new Uint8Array(0)));
      isOwned = true;
    }
    await store.set(key, await sealEntry(key, run, payload));
  };
  return {
    batch(index) {
      const key = `batch-${index}`;
      return intact(key, async () => {
        const payload = await load(key);
        if (!payload) return undefined;
        if (payload.length % Float32Array.BYTES_PER_ELEMENT !== 0) {
          throw damaged({ key, place }, "it ends in the middle of a pixel");
        }
        // A copy starts at offset 0 of its own buffer: aligned.
        return new Float32Array(new Uint8Array(payload).buffer);
      });
    },
    saveBatch: (index, pixels) =>
      save(`batch-${index}`, new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength)),
    block(index) {
      const key = `block-${index}`;
      return intact(key, async () => {
        const payload = await load(key);
        return payload && decodeBlock(payload, { key, place });
      });
    },
    saveBlock: (index, result) => save(`block-${index}`, encodeBlock(result)),
    clear: () => store.clear(),
    release,
  };
}
