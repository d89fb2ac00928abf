/** Checkpoints in IndexedDB: browsers. */
import { createStore, delMany, get, keys, set, type UseStore } from "idb-keyval";
import { GenieError } from "../errors.ts";
import { type CheckpointStore, requireKey } from "./store.ts";

/** One database for all checkpoints; the key of an entry is [name of its checkpoint, key]. */
const DATABASE = "genie-wasm";
const OBJECT_STORE = "checkpoints";

let shared: UseStore | undefined;

/** Keeps entries in this origin's IndexedDB under `name`. */
export function browserCheckpoint(name: string): CheckpointStore {
  const place = `this origin's IndexedDB under "${name}"`;
  return {
    place,
    async get(key) {
      requireKey(key);
      const value = await failingAs("malformed-file", `cannot read the checkpoint in ${place}`, () =>
        get<unknown>([name, key], database()),
      );
      if (value === undefined || value instanceof Uint8Array) return value;
      throw new GenieError("malformed-file", `entry "${key}" in ${place} is not a checkpoint's`);
    },
    async set(key, bytes) {
      requireKey(key);
      await failingAs("unwritable-output", `cannot write the checkpoint to ${place}`, () =>
        set([name, key], bytes, database()),
      );
    },
    async clear() {
      await failingAs("unwritable-output", `cannot clear the checkpoint in ${place}`, async () => {
        const all = await keys<[string, string]>(database());
        await delMany(
          all.filter(([owner]) => owner === name),
          database(),
        );
      });
    },
    hold: (onNote) => lockName(name, place, onNote),
  };
}

/** The browser keeps others out until the page lets go, or is gone. @throws GenieError `in-use`. */
function lockName(
  name: string,
  place: string,
  onNote?: (note: string) => void,
): Promise<() => Promise<void>> {
  // Pages that are not secure have none.
  if (typeof navigator === "undefined" || !navigator.locks) {
    onNote?.(`${place} cannot be kept from a second page here: start only one run at a time`);
    return Promise.resolve(async () => {});
  }
  return new Promise((resolve, reject) => {
    const held = navigator.locks.request(`${DATABASE}/${name}`, { ifAvailable: true }, (lock) => {
      if (!lock) {
        throw new GenieError(
          "in-use",
          `another page or worker is at work on ${place}: wait until it ends, close it, or name another checkpoint`,
        );
      }
      return new Promise<void>((letGo) => {
        resolve(async () => {
          letGo();
          await held;
        });
      });
    });
    held.catch(reject);
  });
}

/** @throws GenieError `unsupported-runtime` outside browsers. */
function database(): UseStore {
  if (typeof indexedDB === "undefined") {
    throw new GenieError(
      "unsupported-runtime",
      "this runtime has no IndexedDB; in Node and Deno, keep checkpoints in files (fileCheckpoint)",
    );
  }
  shared ??= createStore(DATABASE, OBJECT_STORE);
  return shared;
}

async function failingAs<T>(
  code: "malformed-file" | "unwritable-output",
  what: string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof GenieError) throw error;
    const why =
      (error as Error | null)?.name === "QuotaExceededError" ? "the storage is full" : String(error);
    throw new GenieError(code, `${what}: ${why}`, { cause: error });
  }
}
