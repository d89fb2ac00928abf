/** Node, and Deno by way of Node's modules. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { parentPort, Worker, workerData } from "node:worker_threads";
import type { Environment } from "../environment.ts";
import { measureCase } from "../iterationCase.ts";
import type { CaseData } from "../iterationResult.ts";

declare const Deno: { version: { deno: string } };

export const environment: Environment = {
  name: "Deno" in globalThis ? `Deno ${Deno.version.deno}` : `Node ${process.versions.node}`,
  clock() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
  read: async (url) => new Uint8Array(await readFile(url)),
  exists: async (url) => existsSync(url),
  runCase: (data) =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL(import.meta.url), { workerData: data });
      worker.once("message", (result) => {
        resolve(result);
        worker.terminate();
      });
      worker.once("error", reject);
    }),
  async runPython(python, script) {
    const { stdout } = await promisify(execFile)(python, [fileURLToPath(script)]);
    return stdout;
  },
};

/** What the worker of `runCase` does. */
export async function answerCase(): Promise<void> {
  parentPort!.postMessage(await measureCase(workerData as CaseData, environment));
}
