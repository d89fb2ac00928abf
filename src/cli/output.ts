/** Output files: checked before the work starts, written whole or not at all. */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { access, open, realpath, rename, stat, unlink, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { syncFolder, writeDurably } from "../checkpoint/durable.ts";
import { GenieError } from "../errors.ts";
import { reason } from "../fileError.ts";

export interface OutputFile {
  /** As the user named it. */
  path: string;
  /** Puts `bytes` there in one step, on the disk when it resolves. @throws GenieError `unwritable-output`. */
  write(bytes: Uint8Array): Promise<void>;
}

/**
 * Checks that `path` can be written, without changing what is there.
 *
 * @param inputs Files that the command reads: none of them may be the output.
 * @throws GenieError `unwritable-output`, `invalid-option` if the output is one of the inputs.
 */
export async function openOutput(path: string, inputs: readonly string[] = []): Promise<OutputFile> {
  if (path === "") throw unwritable('""', "the name is empty");
  // A link stays a link: what it points to is replaced.
  const target = await realpath(path).catch(() => path);
  const existing = await stat(target).catch(() => undefined);
  if (existing?.isDirectory() || /[/\\]$/.test(path)) throw unwritable(path, "it is a folder");
  for (const input of inputs) {
    const source = await stat(input).catch(() => undefined);
    if (existing && source && source.ino === existing.ino && source.dev === existing.dev) {
      throw new GenieError("invalid-option", `the output ${path} is the same file as the input ${input}`);
    }
  }
  // Devices and pipes cannot be renamed over.
  const isReplaceable = !existing || existing.isFile();
  try {
    if (existing) await access(target, constants.W_OK);
    if (isReplaceable) {
      const probe = temporaryPath(target);
      await (await open(probe, "wx")).close();
      await unlink(probe);
    }
  } catch (error) {
    throw unwritable(path, reason(error), error);
  }
  return {
    path,
    write: (bytes) => (isReplaceable ? replace(path, target, bytes) : writeTo(path, target, bytes)),
  };
}

async function replace(path: string, target: string, bytes: Uint8Array): Promise<void> {
  const temporary = temporaryPath(target);
  try {
    await writeDurably(temporary, bytes);
    await rename(temporary, target);
    await syncFolder(dirname(target));
  } catch (error) {
    await unlink(temporary).catch(() => {});
    throw unwritable(path, reason(error), error);
  }
}

async function writeTo(path: string, target: string, bytes: Uint8Array): Promise<void> {
  try {
    await writeFile(target, bytes);
  } catch (error) {
    throw unwritable(path, reason(error), error);
  }
}

/**
 * In the same folder, because a rename across file systems is a copy. Never the same twice: the process's number would be, in
 * containers, and what a killed one has left would be in the way.
 */
export function temporaryPath(target: string): string {
  return join(dirname(target), `.${basename(target)}.${randomBytes(8).toString("hex")}.tmp`);
}

/** What `temporaryPath` makes for a target of this name; `.old` is what steps aside for a new folder. */
export function temporaryNames(name: string): RegExp {
  const literal = name.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  return new RegExp(`^\\.${literal}\\.[0-9a-f]{16}\\.tmp(?:\\.old)?$`);
}

export function unwritable(path: string, why: string, cause?: unknown): GenieError {
  return new GenieError("unwritable-output", `cannot write ${path}: ${why}`, { cause });
}

/** What outputs of a model are called: the file's name without its extension, or the folder's. */
export function stem(model: string): string {
  const path = basename(model) === "model.json" ? dirname(resolve(model)) : model;
  return basename(path).replace(/\.(?:onnx|h5|hdf5|keras)$/, "");
}
