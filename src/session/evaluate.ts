/** Accuracy of a float or quantized model on labelled images. */
import { runAll } from "../engine/feeds.ts";
import { GenieError } from "../errors.ts";
import { type Images, inputValues } from "../images.ts";
import type { Graph, QuantizedGraph } from "../ir/graph.ts";
import { toFakeQuantized } from "../ir/quantized.ts";
import { initializeKernels } from "../kernels/heap.ts";
import { createBreather, type LongWork } from "../progress.ts";

export interface EvaluateOptions extends LongWork {
  batchSize?: number | undefined;
}

export interface Evaluation {
  /** Share of images whose label has the highest score, 0…1. */
  top1: number;
  /** Share of images whose label is among the five highest scores, 0…1. */
  top5: number;
  count: number;
  /** Class with the highest score, one an image; of equal scores the first. */
  predictions: Int32Array;
}

/**
 * Runs the model on all images and compares its scores [N, classes] with the labels.
 *
 * @param images [N, H, W, C], normalized as the model expects.
 * @param labels One class index an image.
 * @param predictor Who runs the model.
 * @throws GenieError `invalid-data` if counts differ, a label is no class, or the output is not [N, classes].
 */
export async function evaluate(
  model: Graph | QuantizedGraph,
  images: Images,
  labels: ArrayLike<number>,
  options: EvaluateOptions = {},
  predictor: typeof predict = predict,
): Promise<Evaluation> {
  const count = images.shape[0]!;
  if (labels.length !== count) {
    throw new GenieError("invalid-data", `there are ${count} images, but ${labels.length} labels`);
  }
  const scores = await predictor(model, images, options);
  if (scores.shape.length !== 2) {
    throw new GenieError(
      "invalid-data",
      `accuracy needs scores [N, classes]; the model gives [${scores.shape}]`,
    );
  }
  const classes = scores.shape[1]!;
  const predictions = new Int32Array(count);
  let top1 = 0;
  let top5 = 0;
  for (let image = 0; image < count; image++) {
    const label = labels[image]!;
    if (!Number.isInteger(label) || label < 0 || label >= classes) {
      throw new GenieError(
        "invalid-data",
        `label ${label} of image ${image} is not one of ${classes} classes`,
      );
    }
    const row = scores.data.subarray(image * classes, (image + 1) * classes);
    predictions[image] = row.reduce((best, score, index) => (score > row[best]! ? index : best), 0);
    const rank = row.reduce(
      (above, score, index) =>
        above + (score > row[label]! || (score === row[label]! && index < label) ? 1 : 0),
      0,
    );
    if (rank === 0) top1++;
    if (rank < 5) top5++;
  }
  return { top1: top1 / count, top5: top5 / count, count, predictions };
}

/** The model's outputs for all images: the first one, e.g. scores [N, classes], and `others` by their names. */
export async function predict(
  model: Graph | QuantizedGraph,
  images: Images,
  { batchSize = 64, onProgress, signal }: EvaluateOptions = {},
): Promise<Images> {
  await initializeKernels();
  const graph = "weights" in model ? toFakeQuantized(model) : model;
  const total = images.shape[0]!;
  const breathe = createBreather(signal);
  const outputs = await runAll(graph, inputValues(graph.inputs, images), {
    batchSize,
    afterBatch: async (done) => {
      onProgress?.({ stage: "evaluation", done, total, fraction: done / total });
      await breathe();
    },
  });
  const [first, ...others] = graph.outputs;
  const out = outputs.get(first!)!;
  if (others.length === 0) return out;
  return { ...out, others: Object.fromEntries(others.map((name) => [name, outputs.get(name)!])) };
}
