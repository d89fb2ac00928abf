/** onnxruntime as users have it: default optimizations, but one thread. */
import { createRequire } from "node:module";
import { resolve } from "node:path";
import type * as ort from "onnxruntime-web";

/** Until V8 has compiled what of onnxruntime-web a file needs: its compiler's threads would be counted. */
const WARM_UP_MS = 1500;

export interface Runtime {
  name: string;
  /** A call of the file with one input of this shape, which has been warmed up. */
  open(bytes: Uint8Array, shape: readonly number[]): Promise<() => Promise<void>>;
}

/** @param folder One with onnxruntime-node in its node_modules. */
export async function openRuntimes(folder: string | undefined): Promise<Runtime[]> {
  const web = await import("onnxruntime-web");
  web.env.wasm.numThreads = 1;
  web.env.logLevel = "error";
  const runtimes = [runtime("onnxruntime-web", web)];
  if (folder) {
    const native = createRequire(resolve(folder, "package.json"))("onnxruntime-node") as typeof ort;
    runtimes.push(runtime("onnxruntime-node", native));
  }
  return runtimes;
}

function runtime(name: string, { InferenceSession, Tensor, env }: typeof ort): Runtime {
  return {
    name: `${name} ${name === "onnxruntime-web" ? env.versions.web : env.versions.node}`,
    async open(bytes, shape) {
      const session = await InferenceSession.create(bytes, {
        executionProviders: [name === "onnxruntime-web" ? "wasm" : "cpu"],
        intraOpNumThreads: 1,
        interOpNumThreads: 1,
        logSeverityLevel: 3,
      });
      const size = shape.reduce((product, length) => product * length, 1);
      const data = Float32Array.from({ length: size }, (_, i) => Math.sin(i));
      const feeds = { [session.inputNames[0]!]: new Tensor("float32", data, shape) };
      const run = async (): Promise<void> => {
        await session.run(feeds);
      };
      const end = performance.now() + WARM_UP_MS;
      while (performance.now() < end) await run();
      return run;
    },
  };
}
