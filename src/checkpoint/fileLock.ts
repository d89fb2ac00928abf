/**
 * One process at a time on a path: Node and Deno.
 *
 * Who wants the path listens on a socket beside it, under a name of its own, and asks all other sockets of this path. The
 * system closes a socket with its process, however that ends: one that refuses connections belongs to nobody. So
 * there is no process number to be taken for another's (in containers it is always 1) and no age to be judged by clocks.
 */
import type { Server } from "node:net";
import { bytesToHex } from "@noble/hashes/utils.js";
import { GenieError } from "../errors.ts";
import { reason } from "../fileError.ts";
import { digestOf } from "./hash.ts";

/** Ends the hold; others may come. */
export type Release = () => Promise<void>;

/** Who is connected and gets no answer stands before a process that is busy or suspended: alive. */
const ANSWER_MS = 2000;
/** Two that ask at once settle it between them in a few of these. */
const RETRY_MS = 20;

type State = "asking" | "holding";
/** `leaving`: it closed between being called and answering. */
type Answer = State | "leaving" | "gone";

/**
 * Holds `path` until released, or until the process ends.
 *
 * @param onNote Told where the folder's file system has no sockets: nobody is kept out then.
 * @throws GenieError `in-use` if another process, or another call in this one, holds it.
 */
export async function lockPath(path: string, onNote?: (note: string) => void): Promise<Release> {
  const { createServer } = await import("node:net");
  const { unlinkSync } = await import("node:fs");
  const { readdir, rename, unlink } = await import("node:fs/promises");
  const { basename, dirname, join, resolve } = await import("node:path");
  const folder = dirname(resolve(path));
  const prefix = `.genie-${bytesToHex((await digestOf(new TextEncoder().encode(basename(path)))).subarray(0, 4))}-`;
  const own = `${prefix}${bytesToHex(crypto.getRandomValues(new Uint8Array(4)))}.lock`;
  let state: State = "asking";
  const server = createServer((peer) => {
    peer.on("error", () => {});
    peer.end(state);
  });
  const address = join(folder, own);
  try {
    // Renamed when it listens: before, it would look as if its process had ended.
    const unready = join(folder, own.replace(/lock$/, "new"));
    await listen(server, unready);
    await rename(unready, address);
  } catch (error) {
    server.close();
    onNote?.(
      `${path} cannot be kept from a second process here (${reason(error)}): start only one at a time`,
    );
    return async () => {};
  }
  server.unref();
  const drop = (): void => {
    try {
      unlinkSync(address);
    } catch {
      // Somebody has removed the folder, and it with it.
    }
    server.close();
  };
  process.once("exit", drop);
  const release = async (): Promise<void> => {
    process.off("exit", drop);
    drop();
  };
  try {
    for (let isSettled = false; !isSettled; ) {
      isSettled = true;
      const others = (await readdir(folder)).filter(
        (name) => name !== own && name.startsWith(prefix) && name.endsWith(".lock"),
      );
      for (const other of others) {
        const answer = await ask(join(folder, other));
        if (answer === "gone") {
          await unlink(join(folder, other)).catch(() => {});
        } else if (answer === "holding" || (answer === "asking" && other < own)) {
          throw new GenieError(
            "in-use",
            `another process is at work on ${path}: wait until it ends, stop it, or name another output`,
          );
        } else {
          // It will see us and give way, unless it had looked before we came: then it holds soon.
          isSettled = false;
        }
      }
      if (!isSettled) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  } catch (error) {
    await release();
    throw error;
  }
  state = "holding";
  return release;
}

async function listen(server: Server, address: string): Promise<void> {
  const path = await shortest(address);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    // Other users may ask too.
    server.listen({ path, readableAll: true, writableAll: true }, resolve);
  });
}

/** What a failed call says; what is not here, as another user's socket that is forbidden, is somebody's. */
const FAILED: Readonly<Record<string, Answer>> = {
  ECONNREFUSED: "gone",
  ENOENT: "gone",
  ECONNRESET: "leaving",
  EPIPE: "leaving",
};

async function ask(address: string): Promise<Answer> {
  const { connect } = await import("node:net");
  const path = await shortest(address);
  return new Promise((resolve) => {
    let text = "";
    const peer = connect(path);
    peer.setTimeout(ANSWER_MS, () => {
      peer.destroy();
      resolve("holding");
    });
    peer.on("data", (bytes) => {
      text += String(bytes);
    });
    peer.on("end", () => resolve(text === "asking" || text === "holding" ? text : "leaving"));
    peer.on("error", ({ code = "" }: NodeJS.ErrnoException) => resolve(FAILED[code] ?? "holding"));
  });
}

/** Sockets have names of about a hundred bytes at most. */
async function shortest(address: string): Promise<string> {
  const { relative } = await import("node:path");
  const near = relative(process.cwd(), address);
  return near.length < address.length ? near : address;
}
