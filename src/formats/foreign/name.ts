/** What a file is that nobody here reads, in one line with the way out. */
import { type ForeignFormat, foreignFormats } from "./formats.ts";

/** Bytes at either end in which a format shows itself; a zip archive lists its files at the end. */
const GLIMPSE = 2 ** 16;

/**
 * @param bytes Of the whole file.
 * @param fileName Asked where the bytes say nothing.
 * @returns undefined where neither is known.
 */
export function nameFile(bytes: Uint8Array, fileName?: string): string | undefined {
  const latin1 = (part: Uint8Array) => new TextDecoder("latin1").decode(part);
  const glimpse = { bytes, head: latin1(bytes.subarray(0, GLIMPSE)), tail: latin1(bytes.subarray(-GLIMPSE)) };
  const found =
    foreignFormats.find(({ holds }) => holds?.(glimpse)) ??
    (fileName === undefined ? undefined : foreignFormats.find(({ named }) => named?.test(fileName)));
  return found && sentence(found);
}

/** @param names Of the files and folders in a folder. */
export function nameFolder(folder: string, names: readonly string[]): string | undefined {
  const found =
    foreignFormats.find((format) => format.folder?.(names)) ??
    foreignFormats.find(({ named }) => named?.test(folder));
  return found && sentence(found);
}

function sentence({ what, how }: ForeignFormat): string {
  return `this is ${what}; it is not read here: ${how}`;
}
