/** Output folders: checked before the work starts, written whole or not at all. */
import { constants } from "node:fs";
import { access, mkdir, readdir, realpath, rename, rm, rmdir, stat } from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";
import { syncFolder, writeDurably } from "../checkpoint/durable.ts";
import { GenieError } from "../errors.ts";
import { reason } from "../fileError.ts";
import { temporaryPath, unwritable } from "./output.ts";

export interface OutputFolder {
  /** As the user named it. */
  path: string;
  /** Puts the files there, all at once, on the disk when it resolves. @throws GenieError `unwritable-output`. */
  write(files: Readonly<Record<string, Uint8Array>>): Promise<void>;
}

/**
 * Checks that the folder `path` can be written, without changing what is there.
 *
 * @param names Files that will be in it. A folder that holds others is not replaced: it is not ours to empty.
 * @param inputs Files and folders that the command reads: none of them may be in the output.
 * @throws GenieError `unwritable-output`, `invalid-option` if an input is in the output.
 */
export async function openOutputFolder(
  path: string,
  names: readonly string[],
  inputs: readonly string[] = [],
): Promise<OutputFolder> {
  if (path === "") throw unwritable('""', "the name is empty");
  // A link stays a link: what it points to is replaced.
  const target = await realpath(path).catch(() => resolve(path));
  for (const input of inputs) {
    const source = await realpath(input).catch(() => resolve(input));
    if (source === target || source.startsWith(target + sep)) {
      throw new GenieError("invalid-option", `the output ${path} holds the input ${input}`);
    }
  }
  await refuseForeign(path, target, names);
  try {
    const probe = temporaryPath(target);
    await mkdir(probe);
    await rmdir(probe);
  } catch (error) {
    throw unwritable(path, reason(error), error);
  }
  return {
    path,
    async write(files) {
      const temporary = temporaryPath(target);
      try {
        await mkdir(temporary);
        for (const [name, bytes] of Object.entries(files)) {
          await writeDurably(join(temporary, name), bytes);
        }
        await syncFolder(temporary);
        // What has come in while the work went on.
        await refuseForeign(path, target, names);
        await replaceFolder(temporary, target);
        await syncFolder(dirname(target));
      } catch (error) {
        await rm(temporary, { recursive: true, force: true });
        throw error instanceof GenieError ? error : unwritable(path, reason(error), error);
      }
    },
  };
}

async function refuseForeign(path: string, target: string, names: readonly string[]): Promise<void> {
  const existing = await stat(target).catch(() => undefined);
  if (!existing) return;
  if (!existing.isDirectory()) throw unwritable(path, "it is a file, not a folder");
  try {
    await access(target, constants.W_OK);
    const foreign = (await readdir(target)).find((name) => !names.includes(name));
    if (foreign !== undefined) {
      throw unwritable(path, `the folder holds other files, as ${foreign}; name a new folder`);
    }
  } catch (error) {
    throw error instanceof GenieError ? error : unwritable(path, reason(error), error);
  }
}

/** A folder cannot be renamed over one with files in it: the old one steps aside, and comes back if that fails. */
async function replaceFolder(temporary: string, target: string): Promise<void> {
  const existing = await stat(target).catch(() => undefined);
  if (!existing) return rename(temporary, target);
  const aside = `${temporary}.old`;
  await rename(target, aside);
  try {
    await rename(temporary, target);
  } catch (error) {
    await rename(aside, target);
    throw error;
  }
  await rm(aside, { recursive: true });
}
