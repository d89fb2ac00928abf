/** The runtimes of this machine. */
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { delimiter, join, resolve } from "node:path";
import { npm } from "./consumer.ts";
import type { BrowserName } from "./runtimes/browser.ts";

const NAMES: Record<BrowserName, string[]> = {
  chrome: ["chromium", "chromium-browser", "google-chrome"],
  firefox: ["firefox-esr", "firefox"],
};

/** Path of a browser on this machine. @throws Error in CI, which must have it. */
export function findBrowser(browser: BrowserName): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const paths = NAMES[browser].flatMap((name) => folders.map((folder) => join(folder, name)));
  return found(
    paths.find((path) => existsSync(path)),
    `${NAMES[browser].join(" or ")} is not installed`,
  );
}

const PACKAGES = ["node@24.21.0", "deno@2.9.6"];

/** Where Node 24 and Deno are kept once they have been installed. */
const FOLDER = resolve("build/runtimes");

export interface OtherRuntimes {
  node24: string;
  deno: string;
}

/** Node 24 and Deno from the npm registry, which both are packages of. @throws Error in CI without them. */
export async function installRuntimes(): Promise<OtherRuntimes | undefined> {
  const programs = {
    node24: join(FOLDER, "node_modules/.bin/node"),
    deno: join(FOLDER, "node_modules/.bin/deno"),
  };
  const isThere = (): boolean => Object.values(programs).every((path) => existsSync(path));
  let reason: unknown;
  if (!isThere()) {
    await mkdir(FOLDER, { recursive: true });
    await writeFile(join(FOLDER, "package.json"), JSON.stringify({ private: true }));
    await npm(["install", "--no-audit", "--no-fund", ...PACKAGES], FOLDER).catch((error: unknown) => {
      reason = error;
    });
  }
  return found(isThere() ? programs : undefined, `Node 24 and Deno could not be installed: ${reason}`);
}

function found<T>(thing: T | undefined, otherwise: string): T | undefined {
  if (thing !== undefined) return thing;
  if (process.env.CI) throw new Error(otherwise);
  console.warn(`skipped: ${otherwise}`);
  return undefined;
}
