/** Checkpoints in a folder, one file an entry: Node and Deno. */
import { GenieError } from "../errors.ts";
import { reason } from "../fileError.ts";
import { syncFolder, writeDurably } from "./durable.ts";
import { lockPath } from "./fileLock.ts";
import { type CheckpointStore, OWNER_KEY, requireKey } from "./store.ts";

const EXTENSION = ".genie-checkpoint";
/** An entry's file, or what a process that was killed while writing one left behind. */
const OWN_FILE = /^(?:[a-z0-9-]{1,64}|\.[a-z0-9-]{1,64}\.[0-9a-f-]{36})\.genie-checkpoint$/;

/**
 * Keeps entries in `folder`, which is made when the first one is written. `clear` removes its own files, and the
 * folder if nothing else is in it.
 */
export function fileCheckpoint(folder: string): CheckpointStore {
  const place = `the folder ${folder}`;
  return {
    place,
    async get(key) {
      requireKey(key);
      // Imported when needed: browsers load this module too.
      const { readFile } = await import("node:fs/promises");
      try {
        return new Uint8Array(await readFile(`${folder}/${key}${EXTENSION}`));
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw new GenieError("malformed-file", `cannot read the checkpoint in ${place}: ${reason(error)}`, {
          cause: error,
        });
      }
    },
    async set(key, bytes) {
      requireKey(key);
      const { mkdir, rename, unlink } = await import("node:fs/promises");
      const { dirname, resolve } = await import("node:path");
      // Not the process's number: in containers it is the same after every start.
      const temporary = `${folder}/.${key}.${crypto.randomUUID()}${EXTENSION}`;
      try {
        const made = await mkdir(folder, { recursive: true });
        if (made) await syncFolder(dirname(resolve(made)));
        // Synced, else a power failure could leave the name without the bytes.
        await writeDurably(temporary, bytes);
        await rename(temporary, `${folder}/${key}${EXTENSION}`);
        await syncFolder(folder);
      } catch (error) {
        await unlink(temporary).catch(() => {});
        throw unwritable(place, error);
      }
    },
    async clear() {
      const { readdir, rmdir, unlink } = await import("node:fs/promises");
      try {
        const names = await readdir(folder);
        // What says whose it is goes last: a half that is left is still known as this run's.
        const last = `${OWNER_KEY}${EXTENSION}`;
        const own = names
          .filter((name) => OWN_FILE.test(name))
          .sort((a, b) => Number(a === last) - Number(b === last));
        for (const name of own) await unlink(`${folder}/${name}`);
        if (own.length === names.length) await rmdir(folder);
      } catch (error) {
        if (!isMissing(error)) throw unwritable(place, error);
      }
    },
    hold: (onNote) => lockPath(folder, onNote),
  };
}

function isMissing(error: unknown): boolean {
  return (error as { code?: string }).code === "ENOENT";
}

function unwritable(place: string, error: unknown): GenieError {
  return new GenieError("unwritable-output", `cannot write the checkpoint to ${place}: ${reason(error)}`, {
    cause: error,
  });
}
