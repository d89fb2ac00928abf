/** An output of one process alone, from before the work until the process ends. */
import { readdir, realpath, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { lockPath } from "../checkpoint/fileLock.ts";
import { temporaryNames } from "./output.ts";

/**
 * Keeps other processes from `path`, and clears away what killed ones have left beside it: whoever holds the path knows
 * that nobody is still writing there.
 *
 * @throws GenieError `in-use` if another process is at work on it.
 */
export async function claimOutput(path: string, onNote: (note: string) => void): Promise<void> {
  const target = await realpath(path).catch(() => resolve(path));
  const existing = await stat(target).catch(() => undefined);
  // Devices and pipes are anybody's.
  if (existing && !existing.isFile() && !existing.isDirectory()) return;
  await lockPath(target, onNote);
  const folder = dirname(target);
  const own = temporaryNames(basename(target));
  const left = (await readdir(folder)).filter((name) => own.test(name));
  const aside = left.find((name) => name.endsWith(".old"));
  // It had stepped aside for one that never came.
  if (aside && !existing) await rename(join(folder, aside), target);
  for (const name of left) await rm(join(folder, name), { recursive: true, force: true });
}
