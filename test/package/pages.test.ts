/** Pages in Chromium and Firefox: plain and built by Vite, isolated or not, under a strict Content-Security-Policy. */
import type { Browser } from "puppeteer-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildApp, developApp } from "../matrix/apps.ts";
import { type Consumer, installPackage } from "../matrix/consumer.ts";
import { findBrowser } from "../matrix/installed.ts";
import { demoTask } from "../matrix/jobs.ts";
import { browserRuntime, launchBrowser } from "../matrix/runtimes/browser.ts";
import { nodeRuntime } from "../matrix/runtimes/command.ts";
import type { Job, Outcome } from "../matrix/runtimes/runtime.ts";
import { ISOLATION, type Page, STRICT_CSP } from "../matrix/server.ts";

let consumer: Consumer;
let job: Job;
let expected: Outcome;

beforeAll(async () => {
  consumer = await installPackage();
  job = { ...(await demoTask(consumer)), binary: "baseline", workers: 2 };
  expected = await (await nodeRuntime(process.execPath, consumer)).run(job);
});

afterAll(() => consumer.remove());

const PAGES: Record<string, () => Page | Promise<Page>> = {
  "a plain page": () => ({ roots: [consumer.folder], path: "page.html" }),
  "an app built by Vite": () => buildApp(consumer),
};
const HEADERS: Record<string, Record<string, string>> = {
  "not isolated": {},
  isolated: ISOLATION,
  "not isolated, strict CSP": STRICT_CSP,
  "isolated, strict CSP": { ...ISOLATION, ...STRICT_CSP },
};

describe.each(["chrome", "firefox"] as const)("%s", (name) => {
  const path = findBrowser(name);

  describe.skipIf(!path)("installed", () => {
    let browser: Browser;
    beforeAll(async () => {
      browser = await launchBrowser(name, path!);
    });
    afterAll(() => browser?.close());

    const runOn = async (page: Page, task: Job): Promise<Outcome> => {
      const runtime = await browserRuntime(browser, page);
      try {
        return await runtime.run(task);
      } finally {
        await runtime.close();
      }
    };

    describe.each(Object.keys(PAGES))("%s", (kind) => {
      let page: Page;
      beforeAll(async () => {
        page = await PAGES[kind]!();
      });

      test.each(Object.keys(HEADERS))("%s: the bits of Node", async (mode) => {
        const outcome = await runOn({ ...page, headers: HEADERS[mode]! }, job);
        const isIsolated = mode.startsWith("isolated");
        expect(outcome).toMatchObject({ isIsolated, sharesMemory: isIsolated });
        expect(outcome.weights).toBe(expected.weights);
        expect(outcome.file).toBe(expected.file);
      });

      test("without workers: the bits of one", async () => {
        const [none, one] = [
          await runOn(page, { ...job, workers: 0 }),
          await runOn(page, { ...job, workers: 1 }),
        ];
        expect(none.file).toBe(one.file);
      });
    });

    test("a page that is closed goes on where it was when it is opened again: the bits of Node", async () => {
      const runtime = await browserRuntime(browser, { roots: [consumer.folder], path: "page.html" });
      try {
        const kept = { ...job, checkpoint: "job" };
        await expect(runtime.run({ ...kept, closeAt: 2 })).rejects.toThrow("close me");
        const outcome = await runtime.run(kept);
        expect(outcome.file).toBe(expected.file);
      } finally {
        await runtime.close();
      }
    });

    test("an app that Vite serves during development: the bits of Node", async () => {
      const outcome = await runOn(developApp(consumer), job);
      expect(outcome.file).toBe(expected.file);
    });
  });
});
