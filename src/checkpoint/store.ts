/** Where a checkpoint's entries are kept: one small interface, an adapter a runtime. */
import { GenieError } from "../errors.ts";

/**
 * Entries of bytes by key. Keys are lower-case letters, digits and "-".
 *
 * All methods throw GenieError `unwritable-output` where the place cannot be written and `malformed-file` where it
 * cannot be read.
 */
export interface CheckpointStore {
  /** The place as messages call it: "the folder run.checkpoint". */
  readonly place: string;
  get(key: string): Promise<Uint8Array | undefined>;
  /** Puts the entry there whole or not at all, in the place of a former one. */
  set(key: string, bytes: Uint8Array): Promise<void>;
  /** Removes every entry, and nothing else. */
  clear(): Promise<void>;
  /**
   * Keeps other runs out until what it gives is called, or this process or page ends, however it ends. A store without it is
   * shared at its owner's risk.
   *
   * @param onNote Told where the place offers no way to keep others out.
   * @throws GenieError `in-use` if another run is at work on it.
   */
  hold?(onNote?: (note: string) => void): Promise<() => Promise<void>>;
}

/** The entry that says whose the checkpoint is, so that a foreign one is refused before any work. */
export const OWNER_KEY = "run";

/** @throws GenieError `invalid-option` unless `key` can be a file's name in every file system. */
export function requireKey(key: string): void {
  if (!/^[a-z0-9-]{1,64}$/.test(key)) {
    throw new GenieError("invalid-option", `"${key}" cannot be the key of a checkpoint's entry`);
  }
}
