/** The bytes behind a URL, in every runtime. */
import { GenieError } from "../errors.ts";

/** @throws GenieError `malformed-file` where they cannot be had. */
export async function readUrl(url: URL): Promise<Uint8Array> {
  try {
    if (url.protocol === "file:") {
      // Node's fetch does not read files.
      const { readFile } = await import("node:fs/promises");
      return new Uint8Array(await readFile(url));
    }
    const response = await fetch(url);
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    throw new GenieError("malformed-file", `cannot read ${url.href}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
