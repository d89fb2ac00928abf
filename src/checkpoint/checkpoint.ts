/** What a run keeps so that it can go on after it was stopped: finished batches of images and finished blocks. */
import type { BlockStore } from "../quantization/reconstruct.ts";
import type { BatchStore } from "../synthesis/distill.ts";
import { decodeBlock, encodeBlock } from "./blockCodec.ts";
import { damaged, openEntry, sealEntry } from "./entry.ts";
import type { RunIdentity } from "./fingerprint.ts";
import type { CheckpointStore } from "./store.ts";

/**
 * `batch` and `block` give what was saved, bit for bit, or undefined if nothing was.
 *
 * All methods throw GenieError `malformed-file` for an entry that is not what was written, `foreign-checkpoint` for
 * one of another run, and what the store throws.
 */
export interface Checkpoint extends BatchStore, BlockStore {
  /** Removes all of it: the run is finished, or shall begin anew. */
  clear(): Promise<void>;
}

/** Entry that says whose the checkpoint is, so that a foreign one is refused before any work. */
const OWNER_KEY = "run";

/**
 * The checkpoint of this run in `store`: an empty one is taken, one of the same run is gone on with.
 *
 * @throws GenieError `foreign-checkpoint` if it is another run's, `malformed-file` if what says so is damaged.
 */
export async function openCheckpoint(store: CheckpointStore, run: RunIdentity): Promise<Checkpoint> {
  const { place } = store;
  const load = async (key: string): Promise<Uint8Array | undefined> => {
    const bytes = await store.get(key);
    return bytes && openEntry(bytes, { key, place }, run);
  };
  let isOwned = (await load(OWNER_KEY)) !== undefined;
  const save = async (key: string, payload: Uint8Array): Promise<void> => {
    if (!isOwned) {
      // With the first result: a run that is refused leaves nothing behind.
      await store.set(OWNER_KEY, await sealEntry(OWNER_KEY, run, new Uint8Array(0)));
      isOwned = true;
    }
    await store.set(key, await sealEntry(key, run, payload));
  };
  return {
    async batch(index) {
      const key = `batch-${index}`;
      const payload = await load(key);
      if (!payload) return undefined;
      if (payload.length % Float32Array.BYTES_PER_ELEMENT !== 0) {
        throw damaged({ key, place }, "it ends in the middle of a pixel");
      }
      // A copy starts at offset 0 of its own buffer: aligned.
      return new Float32Array(new Uint8Array(payload).buffer);
    },
    saveBatch: (index, pixels) =>
      save(`batch-${index}`, new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength)),
    async block(index) {
      const key = `block-${index}`;
      const payload = await load(key);
      return payload && decodeBlock(payload, { key, place });
    },
    saveBlock: (index, result) => save(`block-${index}`, encodeBlock(result)),
    clear: () => store.clear(),
  };
}
