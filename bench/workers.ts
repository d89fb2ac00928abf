/**
 * How the method scales over workers: `npm run bench:workers [-- --workers N --rounds R]`. Wall-clock times of the
 * packed code, 1 and N workers in turns: ratios of one run, medians of the rounds.
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import type { Images, Session } from "../src/index.ts";
import { median } from "./harness.ts";

/** As seen from the bundle in build/bench/. */
const PACKED = new URL("../../dist/index.js", import.meta.url);
const RESNET20 = new URL("../../../shared/zoo/cifar10-resnet20.onnx", import.meta.url);

const { values: options } = parseArgs({
  options: { workers: { type: "string" }, rounds: { type: "string", default: "3" } },
});
const { loadModel, openSession } = (await import(PACKED.href)) as typeof import("../src/index.ts");
if (!existsSync(RESNET20)) throw new Error(`${RESNET20.pathname} is missing`);
const graph = await loadModel(await readFile(RESNET20));
const many = options.workers ? Number(options.workers) : availableParallelism();

/** Stages whose work is large against starting workers and compiling kernels; batches are a multiple of both. */
const STAGES: Record<string, (session: Session) => Promise<Images | unknown>> = {
  "distillation, 4 batches of 64 × 12 iterations": (session) =>
    session.synthesize(graph, { images: 256, batchSize: 64, iterations: 12 }),
  "reconstruction, 11 blocks × 1000 iterations of 32 images (`fast`)": (session) =>
    session.reconstruct(graph, images, { iterations: 1000 }),
};

const sessions = [await openSession({ workers: 1 }), await openSession({ workers: many })];
const images = await sessions[1]!.synthesize(graph, { images: 256, batchSize: 64, iterations: 3 });
await sessions[0]!.synthesize(graph, { images: 64, batchSize: 64, iterations: 3 });
for (const [name, work] of Object.entries(STAGES)) {
  const seconds: number[][] = [[], []];
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const [index, session] of sessions.entries()) {
      const start = performance.now();
      await work(session);
      seconds[index]!.push((performance.now() - start) / 1000);
    }
  }
  const ratios = seconds[0]!.map((one, round) => one / seconds[1]![round]!);
  console.log(
    `${name}: 1 worker ${median(seconds[0]!).toFixed(2)} s, ${many} workers ${median(seconds[1]!).toFixed(2)} s, ` +
      `×${median(ratios).toFixed(2)} (${ratios.map((ratio) => ratio.toFixed(2)).join(", ")})`,
  );
}
for (const session of sessions) session.close();
