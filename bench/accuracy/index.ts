/**
 * The quality tables: model × bits × method × seed, every figure onnxruntime's on the exported file.
 *
 *   npm run bench:accuracy -- [--model resnet20]… [--bits 4x4]… [--method zero-shot]… [--seeds 0,1]
 *     [--images N] [--batch-size N] [--synthesis-iterations N] [--iterations N] [--limit N] [--workers N] [--json FILE]
 *     [--document FILE.md] [--tables-only]
 *
 * Methods: float, nearest (zero-shot images, step sizes searched, nothing learned), zero-shot, few-shot; adaround
 * (zero-shot, step sizes frozen) and published (zero-shot, without what docs/extensions.md adds); folded (zero-shot,
 * its BatchNorms folded beforehand: images from the prior, their range from what the network answers); and the
 * ablations of synthesis generator, pixels, no-swing, generator-no-swing, pixels-no-swing. Rows that FILE holds
 * already are not computed again, so a stopped run goes on. Synthetic images are kept in build/bench/. The tables go
 * into the document's places for them. Rows of a --limit want a FILE of their own.
 */
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { readNpy, writeNpy } from "../../src/formats/npy.ts";
import type { Graph, Images, QuantizedGraph, SynthesisOptions } from "../../src/index.ts";
import { foldBatchNorm } from "../../src/ir/foldBatchNorm.ts";
import { top1 } from "./judge.ts";
import { MODELS } from "./models.ts";
import { addRow, type Row, readRows } from "./rows.ts";
import { formatTables, insertTables } from "./tables.ts";

/** As seen from the bundle in build/bench/accuracy/. */
const PACKED = new URL("../../../dist/index.js", import.meta.url);

const { values: flags } = parseArgs({
  options: {
    model: { type: "string", multiple: true, default: Object.keys(MODELS) },
    bits: { type: "string", multiple: true, default: ["8x8", "4x8", "4x4", "3x3", "2x4"] },
    method: { type: "string", multiple: true, default: ["float", "nearest", "few-shot", "zero-shot"] },
    seeds: { type: "string", default: "0,1" },
    images: { type: "string" },
    "batch-size": { type: "string" },
    "synthesis-iterations": { type: "string" },
    iterations: { type: "string" },
    limit: { type: "string" },
    workers: { type: "string" },
    document: { type: "string" },
    "tables-only": { type: "boolean", default: false },
    json: { type: "string", default: "build/bench/accuracy.json" },
  },
});

const { exportOnnx, loadModel, openSession } = (await import(
  PACKED.href
)) as typeof import("../../src/index.ts");
let rows = await readRows(flags.json);
const session = await openSession({ workers: flags.workers ? Number(flags.workers) : undefined });
const number = (flag: string | undefined, otherwise: number): number => (flag ? Number(flag) : otherwise);

const SYNTHESIS: Readonly<Record<string, Pick<SynthesisOptions, "mode" | "swing">>> = {
  generator: { mode: "generator" },
  pixels: { mode: "pixels" },
  "no-swing": { swing: false },
  "generator-no-swing": { mode: "generator", swing: false },
  "pixels-no-swing": { mode: "pixels", swing: false },
};

for (const name of flags["tables-only"] ? [] : flags.model) {
  const model = MODELS[name];
  if (!model) throw new Error(`models are ${Object.keys(MODELS).join(", ")}, not ${name}`);
  const graph = await loadModel(model.url);
  const judged = await model.evaluation(flags.limit ? Number(flags.limit) : undefined);
  const synthesis = {
    images: number(flags.images, model.images),
    batchSize: number(flags["batch-size"], model.batchSize),
    iterations: number(flags["synthesis-iterations"], model.synthesisIterations),
  };
  const iterations = number(flags.iterations, model.iterations);
  const judge = (result: Graph | QuantizedGraph): Promise<number> =>
    top1(exportOnnx(result), graph.inputs[0]!.name, judged);
  for (const method of flags.method) {
    const float = method === "folded" ? foldBatchNorm(graph) : graph;
    if (method === "float") {
      await row({ model: name, bits: "float", method, seed: 0, budget: "" }, () => judge(graph));
      continue;
    }
    for (const seed of flags.seeds.split(",").map(Number)) {
      for (const bits of flags.bits) {
        const [weightBits, activationBits] = bits.split("x").map(Number) as [number, number];
        const steps = method === "nearest" ? 0 : iterations;
        const budget =
          method === "few-shot"
            ? `real, ${steps}`
            : method === "folded"
              ? `${synthesis.images}, ${steps}`
              : `${synthesis.images} × ${synthesis.iterations}, ${steps}`;
        await row({ model: name, bits, method, seed, budget }, async () => {
          const options = { ...synthesis, ...SYNTHESIS[method], seed };
          const images =
            method === "few-shot" ? await model.calibration() : await synthetic(name, method, float, options);
          const learnStepSize = method !== "adaround";
          const isExtended = method !== "nearest" && method !== "published";
          const settings = {
            weightBits,
            activationBits,
            iterations: steps,
            seed,
            learnStepSize,
            correctBias: isExtended,
            equalize: isExtended,
            feedback: isExtended,
          };
          return judge((await session.reconstruct(float, images, settings)).model);
        });
      }
    }
  }
}
session.close();
const tables = formatTables(rows);
for (const [name, table] of tables) console.log(`\n${name}\n\n${table}`);
if (flags.document) {
  await writeFile(flags.document, insertTables(await readFile(flags.document, "utf8"), tables));
}

/** Computes a row, unless it is there already, and writes all of them down. */
async function row(key: Omit<Row, "top1" | "seconds">, compute: () => Promise<number>): Promise<void> {
  const isSame = (other: Row): boolean =>
    (Object.keys(key) as (keyof typeof key)[]).every((field) => other[field] === key[field]);
  if (rows.some(isSame)) return;
  const started = performance.now();
  const accuracy = await compute();
  const seconds = (performance.now() - started) / 1000;
  rows = await addRow(flags.json, { ...key, top1: accuracy, seconds });
  const { model, bits, method, seed, budget } = key;
  console.log(
    `${model} ${bits} ${method} seed ${seed} (${budget}): ${(100 * accuracy).toFixed(2)} % ${seconds.toFixed(0)} s`,
  );
}

/** Images of an earlier run with the same options, or new ones. */
async function synthetic(
  name: string,
  method: string,
  graph: Graph,
  options: SynthesisOptions & { images: number; iterations: number; seed: number },
): Promise<Images> {
  const kind = SYNTHESIS[method] || method === "folded" ? method : "genie";
  const file = `build/bench/${name}-${kind}-${options.images}x${options.iterations}-${options.seed}.npy`;
  if (existsSync(file)) {
    const { shape, data } = readNpy(new Uint8Array(await readFile(file)));
    return { shape, data: data as Float32Array };
  }
  const images = await session.synthesize(graph, options);
  await writeFile(file, writeNpy(images));
  return images;
}
