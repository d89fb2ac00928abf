/** A server on this machine for one page, its job and the outcome that it reports. */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import type { Job, Outcome } from "./runtimes/runtime.ts";

export interface Page {
  /** Folders that are served; the first that has a file gives it. */
  roots: string[];
  /** Path of the page. */
  path: string;
  /** Sent with every file. */
  headers?: Record<string, string>;
  /** Answers what is not in `roots`: a development server behind this one. */
  behind?: (server: Server) => Promise<Middleware>;
}

type Middleware = (request: IncomingMessage, response: ServerResponse, next: () => void) => void;

export interface PageServer {
  url: string;
  /** What the page will report on this job: an outcome, or the error that stopped it. */
  expect(job: Job): Promise<Outcome | { error: string }>;
  close(): Promise<void>;
}

/** Makes SharedArrayBuffer available to a page. */
export const ISOLATION = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};
/** The strictest policy under which WebAssembly and workers run. */
export const STRICT_CSP = {
  "Content-Security-Policy": "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'",
};

const TYPES: Record<string, string> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

/** Serves a page on a free port. */
export async function servePage({ roots, path, headers = {}, behind }: Page): Promise<PageServer> {
  let job: Job | undefined;
  let middleware: Middleware | undefined;
  let report: (outcome: Outcome | { error: string }) => void = () => {};
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname } = new URL(request.url!, "http://localhost");
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    if (pathname === "/outcome") {
      report(JSON.parse(await text(request)));
      response.end();
    } else if (pathname === "/job.json") {
      response.setHeader("Content-Type", "application/json").end(JSON.stringify(job));
    } else {
      const file = await findFile(roots, pathname);
      if (file) {
        response.setHeader("Content-Type", TYPES[extname(file)] ?? "application/octet-stream");
        await pipeline(createReadStream(file), response);
      } else if (middleware) {
        middleware(request, response, () => response.writeHead(404).end());
      } else {
        response.writeHead(404).end();
      }
    }
  };
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  middleware = await behind?.(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    // A secure context, unlike any other host without TLS.
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/${path}`,
    expect(next) {
      job = next;
      return new Promise((resolve) => {
        report = resolve;
      });
    },
    close: () => closeServer(server),
  };
}

async function findFile(roots: readonly string[], pathname: string): Promise<string | undefined> {
  for (const root of roots) {
    // `normalize` on an absolute path leaves no way out of the root.
    const file = join(root, normalize(decodeURIComponent(pathname)));
    const found = await stat(file).catch(() => undefined);
    if (found?.isFile()) return file;
  }
  return undefined;
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
