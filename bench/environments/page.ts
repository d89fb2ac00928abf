/** A page that is cross-origin isolated: its clock then has a grain of 5 µs. */
import type { Environment } from "../environment.ts";
import { measureCase } from "../iterationCase.ts";
import type { CaseData, CaseResult } from "../iterationResult.ts";

/** jax-js runs on one thread only where there is no Worker: it is taken away before. */
const { Worker } = globalThis;

export const environment: Environment = {
  name: `Chromium ${/Chrome\/(\d+)/.exec(navigator.userAgent)?.[1] ?? "of no known version"}`,
  // A page is not told its CPU time.
  clock: () => performance.now(),
  async read(url) {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`${url.pathname}: HTTP ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  },
  exists: async (url) => (await fetch(url, { method: "HEAD" })).ok,
  runCase: (data) =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL(import.meta.url), { type: "module" });
      worker.onmessage = ({ data: { result, error } }: MessageEvent<Answer>) => {
        if (result) resolve(result);
        else reject(new Error(error));
        worker.terminate();
      };
      worker.onerror = ({ message }) => reject(new Error(message));
      worker.postMessage(data);
    }),
  runPython: () => Promise.reject(new Error("a page starts no processes")),
};

interface Answer {
  result?: CaseResult;
  error?: string;
}

/** What the worker of `runCase` does. */
export function answerCase(): void {
  globalThis.onmessage = ({ data }: MessageEvent<CaseData>) => {
    measureCase(data, environment).then(
      (result) => globalThis.postMessage({ result } satisfies Answer),
      (error: unknown) => globalThis.postMessage({ error: String(error) } satisfies Answer),
    );
  };
}
