/**
 * Accuracy against time, file to file: `npm run bench:pareto [-- --case resnet20-4x4]… [--seed 0] [--json FILE]`.
 *
 * Each point is one budget: bytes in, bytes out, on all cores, judged by onnxruntime. Points that FILE holds already
 * are not run again. The picture is drawn by plot.py (Debian: python3-matplotlib).
 */
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import type { SynthesisMode } from "../../src/index.ts";
import { top1 } from "../accuracy/judge.ts";
import { MODELS } from "../accuracy/models.ts";

/** As seen from the bundle in build/bench/pareto/. */
const PACKED = new URL("../../../dist/index.js", import.meta.url);

/** images, batch size, iterations a batch, iterations a block; what is learned of the images, if not GENIE's */
type Budget = readonly [number, number, number, number, SynthesisMode?];

interface Case {
  model: string;
  weightBits: number;
  activationBits: number;
  budgets: readonly Budget[];
}

const CASES: Readonly<Record<string, Case>> = {
  "resnet20-4x4": {
    model: "resnet20",
    weightBits: 4,
    activationBits: 4,
    budgets: [
      [64, 32, 50, 50],
      [128, 64, 100, 100],
      [128, 64, 200, 200],
      [128, 64, 300, 300],
      [128, 64, 300, 1000],
      [128, 64, 300, 1000, "pixels"],
      [256, 64, 300, 2000],
    ],
  },
  "resnet20-2x4": {
    model: "resnet20",
    weightBits: 2,
    activationBits: 4,
    budgets: [
      [128, 64, 100, 300],
      [128, 64, 200, 600],
      [256, 64, 200, 1000],
      [512, 64, 200, 2000],
    ],
  },
  "mobilenet-4x8": {
    model: "mobilenet",
    weightBits: 4,
    activationBits: 8,
    budgets: [
      [32, 16, 50, 20],
      [32, 16, 100, 40],
      [64, 16, 150, 60],
    ],
  },
};

export interface Point {
  case: string;
  budget: string;
  seed: number;
  cores: number;
  seconds: number;
  top1: number;
}

const { values: flags } = parseArgs({
  options: {
    case: { type: "string", multiple: true, default: Object.keys(CASES) },
    seed: { type: "string", default: "0" },
    json: { type: "string", default: "build/bench/pareto.json" },
  },
});
const { exportOnnx, loadModel, quantize } = (await import(
  PACKED.href
)) as typeof import("../../src/index.ts");
const points: Point[] = existsSync(flags.json) ? JSON.parse(await readFile(flags.json, "utf8")) : [];
const seed = Number(flags.seed);
for (const name of flags.case) {
  const asked = CASES[name];
  if (!asked) throw new Error(`cases are ${Object.keys(CASES).join(", ")}, not ${name}`);
  const { model, budgets, ...bits } = asked;
  const { url, evaluation } = MODELS[model]!;
  const judged = await evaluation();
  for (const [images, batchSize, synthesisIterations, iterations, mode] of budgets) {
    const budget =
      `${images} images in batches of ${batchSize} × ${synthesisIterations}, ${iterations} a block` +
      (mode ? `, ${mode}` : "");
    const isSame = (point: Point): boolean =>
      point.case === name && point.budget === budget && point.seed === seed;
    if (points.some(isSame)) continue;
    const started = performance.now();
    const graph = await loadModel(url);
    const { model: quantized } = await quantize(graph, {
      ...bits,
      seed,
      synthesis: { images, batchSize, iterations: synthesisIterations, mode },
      reconstruction: { iterations },
    });
    const file = exportOnnx(quantized);
    const seconds = (performance.now() - started) / 1000;
    const accuracy = await top1(file, graph.inputs[0]!.name, judged);
    points.push({ case: name, budget, seed, cores: availableParallelism(), seconds, top1: accuracy });
    await writeFile(flags.json, `${JSON.stringify(points, null, 1)}\n`);
    console.log(`${name}, ${budget}: ${(100 * accuracy).toFixed(2)} % in ${seconds.toFixed(0)} s`);
  }
}
