/** Every runtime that this machine has, each with the package installed. */
import type { Browser } from "puppeteer-core";
import type { Consumer } from "../consumer.ts";
import { findBrowser, installRuntimes } from "../installed.ts";
import { ISOLATION } from "../server.ts";
import { type BrowserName, browserRuntime, launchBrowser } from "./browser.ts";
import { denoRuntime, nodeRuntime } from "./command.ts";
import type { Runtime } from "./runtime.ts";

/** Node as it runs this, Node 24, Deno, Chromium and Firefox: those that there are. Browsers show an isolated page. */
export async function openRuntimes(consumer: Consumer): Promise<Runtime[]> {
  const runtimes = [await nodeRuntime(process.execPath, consumer)];
  const others = await installRuntimes();
  if (others) {
    runtimes.push(await nodeRuntime(others.node24, consumer), await denoRuntime(others.deno, consumer));
  }
  for (const name of ["chrome", "firefox"] satisfies BrowserName[]) {
    const path = findBrowser(name);
    if (path) runtimes.push(await ownBrowser(await launchBrowser(name, path), consumer));
  }
  return runtimes;
}

async function ownBrowser(browser: Browser, { folder }: Consumer): Promise<Runtime> {
  const page = await browserRuntime(browser, { roots: [folder], path: "page.html", headers: ISOLATION });
  return {
    ...page,
    async close() {
      await page.close();
      await browser.close();
    },
  };
}
