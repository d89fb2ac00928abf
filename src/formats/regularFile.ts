/** Files of a file system, in Node and Deno. */
import { GenieError } from "../errors.ts";
import { reason } from "../fileError.ts";
import { companionPath } from "./companion.ts";

/**
 * The bytes of a regular file, whose size is known before it is read: a device or a pipe has no end.
 *
 * @throws GenieError `malformed-file` where it cannot be read or is none; `limit-exceeded` beyond `maxBytes`.
 */
export async function readRegularFile(path: string, maxBytes: number): Promise<Uint8Array> {
  const { constants } = await import("node:fs");
  const { open, realpath } = await import("node:fs/promises");
  // A pipe that nobody writes to is not waited for; what was a file a moment ago must not be a link now.
  const flags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOFOLLOW ?? 0);
  try {
    const file = await open(await realpath(path), flags);
    try {
      const found = await file.stat();
      if (!found.isFile())
        throw unreadable(path, found.isDirectory() ? "it is a folder" : "it is no regular file");
      if (found.size > maxBytes) {
        throw new GenieError(
          "limit-exceeded",
          `${path} has ${found.size} bytes, ${maxBytes} are allowed: raise the limit "bytes" (limits, or --limits bytes=…)`,
        );
      }
      const bytes = new Uint8Array(found.size);
      let end = 0;
      while (end < bytes.length) {
        const { bytesRead } = await file.read(bytes, end, bytes.length - end, end);
        if (bytesRead === 0) break;
        end += bytesRead;
      }
      return bytes.subarray(0, end);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw error instanceof GenieError ? error : unreadable(path, reason(error), error);
  }
}

/**
 * A file beside the model in `model`: below its folder also when links are followed.
 *
 * @throws GenieError as `readRegularFile`.
 */
export async function readBeside(model: string, path: string, maxBytes: number): Promise<Uint8Array> {
  const { realpath } = await import("node:fs/promises");
  const { dirname, join, sep } = await import("node:path");
  companionPath(path);
  const place = join(dirname(model), path);
  const [folder, target] = await Promise.all([dirname(model), place].map((each) => realpath(each))).catch(
    (error: unknown) => {
      throw unreadable(
        place,
        `${reason(error)}; the model keeps weights in it: copy it beside the model`,
        error,
      );
    },
  );
  if (!target!.startsWith(folder!.endsWith(sep) ? folder! : folder! + sep)) {
    throw unreadable(place, "it is a link out of the model's folder; copy the file there");
  }
  return readRegularFile(target!, maxBytes);
}

function unreadable(path: string, why: string, cause?: unknown): GenieError {
  return new GenieError("malformed-file", `cannot read ${path}: ${why}`, { cause });
}
