/** The bytes behind a URL, in every runtime. */
import { GenieError } from "../errors.ts";
import { Budget } from "./budget.ts";
import { companionUrl } from "./companion.ts";
import { concatenate } from "./concatenate.ts";

/**
 * @param budget Whose bytes and seconds it takes.
 * @throws GenieError `malformed-file` where they cannot be had; `limit-exceeded`.
 */
export async function readUrl(url: URL, budget = new Budget()): Promise<Uint8Array> {
  const bytes = await read(url, budget, budget.left("bytes"));
  budget.spend("bytes", bytes.length, url.href);
  return bytes;
}

/**
 * A file beside the model at `model`. A redirect is refused: it could lead anywhere, and asking is harm enough where
 * the other host is one that only this machine reaches.
 *
 * @throws GenieError as `readUrl`, and as `companionUrl`.
 */
export async function readUrlBeside(
  model: URL,
  path: string,
  maxBytes: number,
  budget: Budget,
): Promise<Uint8Array> {
  if (model.protocol === "file:") {
    const { fileURLToPath } = await import("node:url");
    const { readBeside } = await import("./regularFile.ts");
    return readBeside(fileURLToPath(model), path, maxBytes);
  }
  return read(companionUrl(path, model), budget, maxBytes, { redirect: "manual" });
}

async function read(url: URL, budget: Budget, maxBytes: number, init: RequestInit = {}): Promise<Uint8Array> {
  try {
    if (url.protocol === "file:") {
      // Node's fetch does not read files.
      const { fileURLToPath } = await import("node:url");
      const { readRegularFile } = await import("./regularFile.ts");
      return await readRegularFile(fileURLToPath(url), maxBytes);
    }
    const milliseconds = Math.min(Math.ceil(Math.max(budget.left("seconds"), 0) * 1000), 2 ** 31 - 1);
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(milliseconds) });
    if (response.type === "opaqueredirect" || (response.status >= 300 && response.status < 400)) {
      throw new Error("it redirects, which files beside a model must not (readShard can read them)");
    }
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    if (Number(response.headers.get("content-length")) > maxBytes) throw budget.exceeded("bytes", url.href);
    return await collect(response, () => budget.exceeded("bytes", url.href), maxBytes);
  } catch (error) {
    if (error instanceof GenieError) throw error;
    if ((error as Error).name === "TimeoutError") throw budget.exceeded("seconds", url.href);
    throw new GenieError("malformed-file", `cannot read ${url.href}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** A server may send more than it said, or not say. */
async function collect(response: Response, tooMany: () => GenieError, maxBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  const reader = response.body?.getReader();
  for (let part = await reader?.read(); part && !part.done; part = await reader!.read()) {
    size += part.value.length;
    if (size > maxBytes) {
      await reader!.cancel();
      throw tooMany();
    }
    parts.push(part.value);
  }
  return concatenate(parts);
}
