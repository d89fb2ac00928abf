/** A worker as each runtime makes it: web workers in browsers and Deno, worker_threads in Node. */
import type { Endpoint } from "comlink";
import nodeEndpoint from "comlink/dist/esm/node-adapter.mjs";
import { GenieError } from "../errors.ts";

export interface WorkerHandle {
  endpoint: Endpoint;
  /** Rejects when the worker ends without having been asked to, with the reason. */
  died: Promise<never>;
  terminate(): void;
}

/** Starts a worker. */
export async function spawnWorker(): Promise<WorkerHandle> {
  // Libraries put Node's own class there too, which has another interface.
  const hasWebWorkers = typeof Worker === "function" && "addEventListener" in Worker.prototype;
  return hasWebWorkers ? spawnWebWorker() : spawnNodeWorker();
}

function spawnWebWorker(): WorkerHandle {
  const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  const died = new Promise<never>((_, reject) => {
    worker.addEventListener("error", (event) => {
      // Otherwise Deno takes the error for the whole program's.
      event.preventDefault();
      reject(new Error(event.message ?? "it could not be loaded"));
    });
  });
  return { endpoint: worker, died, terminate: () => worker.terminate() };
}

async function spawnNodeWorker(): Promise<WorkerHandle> {
  const { Worker } = await import("node:worker_threads");
  const worker = new Worker(new URL("./worker.js", import.meta.url));
  const died = new Promise<never>((_, reject) => {
    worker.on("error", reject);
    worker.on("exit", (code) => reject(new Error(`it ended with code ${code}`)));
  });
  return {
    endpoint: nodeEndpoint(worker),
    died,
    terminate: () => void worker.terminate(),
  };
}

/** The worker's own end. */
export async function parentEndpoint(): Promise<Endpoint> {
  const { parentPort } = await import("node:worker_threads");
  if (!parentPort) throw new GenieError("unsupported-runtime", "this module runs in a worker");
  return nodeEndpoint(parentPort);
}

/** Cores that a program may use. */
export async function coreCount(): Promise<number> {
  // Node 20 has no `navigator`.
  if (typeof navigator !== "undefined" && navigator.hardwareConcurrency) return navigator.hardwareConcurrency;
  const { availableParallelism } = await import("node:os");
  return availableParallelism();
}
