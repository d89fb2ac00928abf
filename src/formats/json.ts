/** JSON of unknown make: parsed, and shown to be harmless to walk and to print. */
import { GenieError } from "../errors.ts";
import { isPrintable } from "../printable.ts";

/** Deeper than any model nests its settings; what walks the tree does so by recursion. */
const MAX_DEPTH = 64;

/**
 * @param what Names the text in errors.
 * @throws GenieError `malformed-file` where it is no JSON, nests too deep or holds control characters.
 */
export function parseJson(text: string | Uint8Array, what: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(
      typeof text === "string" ? text : new TextDecoder("utf-8", { fatal: true }).decode(text),
    );
  } catch (error) {
    throw new GenieError("malformed-file", `${what} is no JSON: truncated, damaged, or another format`, {
      cause: error,
    });
  }
  check(value, what, 0);
  return value;
}

function check(value: unknown, what: string, depth: number): void {
  if (depth > MAX_DEPTH)
    throw new GenieError("malformed-file", `${what} nests deeper than ${MAX_DEPTH} levels`);
  // The code of a Lambda layer is text of several lines.
  if (typeof value === "string" && !isPrintable(value.replace(/[\t\n\r]/g, ""))) {
    throw new GenieError("malformed-file", `${what} is damaged: a text in it holds control characters`);
  }
  if (typeof value !== "object" || value === null) return;
  for (const item of Array.isArray(value) ? value : Object.values(value)) check(item, what, depth + 1);
}
