/** The benchmark inside a page, and inside the workers that the page starts: `runtimes.ts` opens it. */
import * as ort from "onnxruntime-web";
import { answerCase, environment } from "./environments/page.ts";
import { type Heard, measureTables, type Request } from "./tables.ts";

/** What the process that opened the page offers to it. */
interface Opener {
  request(): Promise<Request>;
  tell(heard: Heard | { kind: "end" }): Promise<void>;
}

/** As seen from the bundle in build/bench/. */
ort.env.wasm.wasmPaths = new URL("../../node_modules/onnxruntime-web/dist/", import.meta.url).href;

if (typeof document === "undefined") {
  answerCase();
} else {
  const { request, tell } = globalThis as unknown as Opener;
  await measureTables(await request(), environment, tell);
  await tell({ kind: "end" });
}
