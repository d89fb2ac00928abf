/** Real browsers, driven by puppeteer: Chromium over its DevTools protocol, Firefox over WebDriver BiDi. */
import { type Browser, launch } from "puppeteer-core";
import { type Page, type PageServer, servePage } from "../server.ts";
import type { Job, Outcome, Runtime } from "./runtime.ts";

export type BrowserName = "chrome" | "firefox";

/** A browser without a window, to open any number of pages in. */
export function launchBrowser(browser: BrowserName, executablePath: string): Promise<Browser> {
  // Root, as in a container, has no Chromium sandbox.
  return launch({
    browser,
    executablePath,
    headless: true,
    args: browser === "chrome" ? ["--no-sandbox"] : [],
  });
}

/** The page in this browser as a runtime. `close` closes the page's server, not the browser. */
export async function browserRuntime(browser: Browser, page: Page): Promise<Runtime> {
  const server = await servePage(page);
  const version = /\d+[\d.]*/.exec(await browser.version())![0];
  const name = /firefox/i.test(await browser.version()) ? "Firefox" : "Chromium";
  return {
    name: `${name} ${version.split(".")[0]}`,
    run: (job) => runOnPage(browser, server, job),
    close: () => server.close(),
  };
}

async function runOnPage(browser: Browser, server: PageServer, job: Job): Promise<Outcome> {
  const tab = await browser.newPage();
  try {
    const said: string[] = [];
    tab.on("console", (message) => said.push(message.text()));
    const broken = new Promise<never>((_, reject) => tab.on("pageerror", reject));
    broken.catch(() => {});
    const outcome = server.expect(job);
    await tab.goto(server.url);
    const report = await Promise.race([outcome, broken]).catch((error: unknown) => {
      throw new Error(`${error}\nthe console: ${said.join("\n")}`);
    });
    if ("error" in report) throw new Error(`${report.error}\nthe console: ${said.join("\n")}`);
    return report;
  } finally {
    await tab.close();
  }
}
