/**
 * Accuracy of ResNet-20 (CIFAR-10, from the zoo) after quantization, zero-shot beside few-shot, judged by
 * onnxruntime on the exported files. Every row is also evaluated by our own engine; the share of equal predictions
 * is printed beside it.
 *
 * Usage: npm run bench:accuracy -- [--bits 4x4:60,2x4:2000] [--images 256] [--synthesis-iterations 300]
 *        [--seed 0] [--synthetic FILE.npy] [--json FILE]
 * where each of `bits` is weight bits × activation bits : reconstruction iterations a block.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { npyNumbers, readNpy, writeNpy } from "../src/formats/npy.ts";
import { normalizeImages } from "../src/formats/pixels.ts";
import {
  evaluate,
  exportOnnx,
  type Graph,
  type Images,
  loadModel,
  type QuantizedGraph,
  reconstruct,
  synthesize,
} from "../src/index.ts";
import { runOnnx } from "../test/support/onnxruntime.ts";

/** From the bundle, build/bench/accuracy.mjs. */
const SHARED = new URL("../../../shared/", import.meta.url);
const PIXELS = { scale: 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

const { values: flags } = parseArgs({
  options: {
    bits: { type: "string", default: "8x8:60,4x4:60,3x3:600,2x4:2000" },
    images: { type: "string", default: "256" },
    "synthesis-iterations": { type: "string", default: "300" },
    seed: { type: "string", default: "0" },
    synthetic: { type: "string", default: "build/bench/synthetic.npy" },
    only: { type: "string", default: "zero-shot,few-shot" },
    json: { type: "string" },
  },
});

const read = (path: string): Uint8Array => new Uint8Array(readFileSync(new URL(path, SHARED)));
const seed = Number(flags.seed);
const graph = await loadModel(read("zoo/cifar10-resnet20.onnx"));
const test = normalizeImages(readNpy(read("data/cifar10-images.npy")), PIXELS);
const labels = npyNumbers(readNpy(read("data/cifar10-labels.npy")));
const rows: object[] = [];

await report("float", "–", graph, 0);
const sources = flags.only.split(",");
const calibration: Record<string, () => Promise<Images>> = {
  "zero-shot": synthetic,
  "few-shot": async () => normalizeImages(readNpy(read("data/cifar10-calibration.npy")), PIXELS),
};
for (const source of sources) {
  const images = await calibration[source]!();
  for (const entry of flags.bits.split(",")) {
    const [weightBits, activationBits, iterations] = entry.split(/[x:]/).map(Number) as [
      number,
      number,
      number,
    ];
    const started = performance.now();
    const { model } = await reconstruct(graph, images, { weightBits, activationBits, iterations, seed });
    const seconds = (performance.now() - started) / 1000;
    await report(`W${weightBits}A${activationBits}, ${iterations} iterations`, source, model, seconds);
  }
}
if (flags.json) writeFileSync(flags.json, JSON.stringify(rows, null, 2));

/** The synthetic images of an earlier run, or new ones, kept for the next. */
async function synthetic(): Promise<Images> {
  if (existsSync(flags.synthetic))
    return normalizeImages(readNpy(new Uint8Array(readFileSync(flags.synthetic))));
  const started = performance.now();
  const images = await synthesize(graph, {
    images: Number(flags.images),
    iterations: Number(flags["synthesis-iterations"]),
    seed,
  });
  console.log(
    `synthesized ${images.shape[0]} images in ${((performance.now() - started) / 1000).toFixed(0)} s`,
  );
  writeFileSync(flags.synthetic, writeNpy(images));
  return images;
}

async function report(
  row: string,
  source: string,
  model: Graph | QuantizedGraph,
  seconds: number,
): Promise<void> {
  const ours = await evaluate(model, test, labels);
  const theirs = await onnxruntimePredictions(exportOnnx(model));
  const count = theirs.length;
  const correct = theirs.reduce((sum, prediction, i) => sum + (prediction === labels[i] ? 1 : 0), 0);
  const equal = theirs.reduce((sum, prediction, i) => sum + (prediction === ours.predictions[i] ? 1 : 0), 0);
  const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
  console.log(
    [
      row.padEnd(24),
      source.padEnd(10),
      `onnxruntime ${percent(correct / count)}`,
      `ours ${percent(ours.top1)}`,
      `equal ${percent(equal / count)}`,
      `${seconds.toFixed(0)} s to reconstruct`,
    ].join("  "),
  );
  rows.push({ row, source, onnxruntime: correct / count, ours: ours.top1, equal: equal / count, seconds });
}

/** Class with the highest score for every test image, by onnxruntime on the file. */
async function onnxruntimePredictions(bytes: Uint8Array): Promise<number[]> {
  const [count, height, width, channels] = test.shape as [number, number, number, number];
  const pixels = height * width;
  const planar = new Float32Array(test.data.length);
  for (let i = 0; i < planar.length; i++) {
    const [image, rest] = [Math.floor(i / (pixels * channels)), i % (pixels * channels)];
    planar[image * pixels * channels + (rest % channels) * pixels + Math.floor(rest / channels)] =
      test.data[i]!;
  }
  const predictions: number[] = [];
  for (let first = 0; first < count; first += 250) {
    const end = Math.min(first + 250, count);
    const feeds = {
      [graph.inputs[0]!.name]: {
        shape: [end - first, channels, height, width],
        data: planar.subarray(first * channels * pixels, end * channels * pixels),
      },
    };
    const [scores] = Object.values(await runOnnx(bytes, feeds));
    const classes = scores!.shape[1]!;
    for (let image = 0; image < end - first; image++) {
      const row = scores!.data.subarray(image * classes, (image + 1) * classes);
      predictions.push(row.reduce((best, score, index) => (score > row[best]! ? index : best), 0));
    }
  }
  return predictions;
}
