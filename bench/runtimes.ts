/** The benchmark in another runtime than the one that was called. */
import { spawn } from "node:child_process";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { findBrowser, installRuntimes } from "../test/matrix/installed.ts";
import { launchBrowser } from "../test/matrix/runtimes/browser.ts";
import { ISOLATION, servePage } from "../test/matrix/server.ts";
import type { Heard, Request } from "./tables.ts";

export const RUNTIMES = ["node", "node24", "deno", "chromium"] as const;
export type RuntimeName = (typeof RUNTIMES)[number];

/** This program with the same arguments in Node 24 or Deno, which print what they measure. @returns Its exit code. */
export async function runElsewhere(runtime: "node24" | "deno", args: readonly string[]): Promise<number> {
  const programs = await installRuntimes();
  if (!programs) return 1;
  const allowed = runtime === "deno" ? ["run", "--allow-all"] : [];
  // The last of two `--runtime` counts.
  const all = [...allowed, fileURLToPath(import.meta.url), ...args, "--runtime", "node"];
  const child = spawn(programs[runtime], all, {
    stdio: "inherit",
    env: { ...process.env, DENO_NO_UPDATE_CHECK: "1" },
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}

/** Measures in a page of this machine's Chromium. Run from the project's root. */
export async function measureInChromium(
  request: Request,
  tell: (heard: Heard) => void | Promise<void>,
): Promise<void> {
  const path = findBrowser("chrome");
  if (!path) throw new Error("no Chromium");
  // ../shared has the zoo.
  const roots = [resolve("."), resolve("..")];
  const server = await servePage({ roots, path: "bench/page.html", headers: ISOLATION });
  const browser = await launchBrowser("chrome", path);
  try {
    const tab = await browser.newPage();
    await new Promise<void>((done, fail) => {
      tab.on("pageerror", fail);
      tab.on("error", fail);
      // As when this process is asked to end: puppeteer then ends the browser.
      browser.on("disconnected", () => fail(new Error("Chromium ended")));
      const hear = (heard: Heard | { kind: "end" }): void | Promise<void> =>
        heard.kind === "end" ? done() : tell(heard);
      Promise.all([tab.exposeFunction("request", () => request), tab.exposeFunction("tell", hear)])
        .then(() => tab.goto(server.url))
        .catch(fail);
    });
  } finally {
    await browser.close();
    await server.close();
  }
}
