/** Files beside a model: shards of `model.json`, ONNX external data. A model may name those in its folder, no others. */
import { GenieError } from "../errors.ts";
import type { Budget } from "./budget.ts";

/**
 * Bytes of a file that a model names, by its path from the model's folder.
 *
 * @param maxBytes A reader that knows the file's size beforehand refuses a larger one.
 */
export type CompanionReader = (path: string, maxBytes?: number) => Promise<Uint8Array>;

/** Where paths are looked at without knowing the model's place; deep, so that climbing out shows. */
const NOWHERE = new URL("http://model.invalid/folder/model");

/**
 * The reader that importers are given: every path is looked at before `read` sees it, each file is read once however it
 * is spelled, and all are taken from the budget.
 *
 * @throws GenieError (the reader) `malformed-file` for a path out of the folder; `limit-exceeded`; as `read`.
 */
export function companions(read: CompanionReader, budget: Budget): CompanionReader {
  const known = new Map<string, Promise<Uint8Array>>();
  return async (path) => {
    const place = companionPath(path);
    const reading = known.get(place) ?? readWithin(read, path, budget);
    known.set(place, reading);
    return reading;
  };
}

async function readWithin(read: CompanionReader, path: string, budget: Budget): Promise<Uint8Array> {
  budget.spend("files", 1, "the model");
  const bytes = await read(path, budget.left("bytes"));
  budget.spend("bytes", bytes.length, "the model");
  return bytes;
}

/**
 * The path from the model's folder with nothing left to resolve: equal for two spellings of one file.
 *
 * @throws GenieError `malformed-file` where it is none or leads out of the folder.
 */
export function companionPath(path: unknown): string {
  if (typeof path !== "string" || !isCleanPath(path)) throw outside(path);
  return companionUrl(path, NOWHERE).href.slice(new URL(".", NOWHERE).href.length);
}

/**
 * Where a file beside the model is: of the same origin, below its folder.
 *
 * @throws GenieError `malformed-file` for any other place.
 */
export function companionUrl(path: string, model: URL): URL {
  let url: URL;
  let folder: URL;
  try {
    url = new URL(path, model);
    folder = new URL(".", model);
  } catch {
    // Beside data: and blob: there is nothing.
    throw outside(path);
  }
  const isSame = url.protocol === folder.protocol && url.host === folder.host;
  const isBelow = url.pathname.startsWith(folder.pathname) && url.pathname.length > folder.pathname.length;
  // What some server unescapes after us.
  if (!isSame || !isBelow || /%(?:2f|5c|2e|00)/i.test(url.pathname.slice(folder.pathname.length))) {
    throw outside(path);
  }
  return url;
}

/** Blanks in front, schemes, drives, absolute paths, "\" for "/" and ".." are read differently by what reads paths. */
function isCleanPath(path: string): boolean {
  const isOdd = path.trim() !== path || path.includes("\0") || /^[/\\]|^[a-z][a-z0-9+.-]*:/i.test(path);
  return path !== "" && !isOdd && !path.split(/[/\\]/).includes("..");
}

function outside(path: unknown): GenieError {
  return new GenieError(
    "malformed-file",
    `the model names the file ${JSON.stringify(path)}, which is not in its folder: files beside a model lie there`,
  );
}
