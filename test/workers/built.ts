/** The built worker, started from the tests' own sources. */
import { existsSync } from "node:fs";
import { Worker } from "node:worker_threads";
import nodeEndpoint from "comlink/dist/esm/node-adapter.mjs";
import type { WorkerHandle } from "../../src/workers/runtime.ts";

const WORKER = new URL("../../dist/worker.js", import.meta.url);

/** Starts the built worker, and hands the thread to `onSpawn`: to be killed, say. */
export function spawnBuilt(onSpawn: (worker: Worker) => void = () => {}): () => Promise<WorkerHandle> {
  if (!existsSync(WORKER)) throw new Error("dist/worker.js is missing: npm run build");
  return async () => {
    const worker = new Worker(WORKER);
    const died = new Promise<never>((_, reject) => {
      worker.on("error", reject);
      worker.on("exit", (code) => reject(new Error(`it ended with code ${code}`)));
    });
    onSpawn(worker);
    return { endpoint: nodeEndpoint(worker), died, terminate: () => void worker.terminate() };
  };
}
