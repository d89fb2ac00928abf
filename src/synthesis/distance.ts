/** How far images are from what a model's BatchNorms have seen: what synthesis brings down. */
import { type Tensor, tidy } from "@tensorflow/tfjs-core";
import { disposeAll, download, slab, uploadConstants } from "../engine/feeds.ts";
import { run } from "../engine/run.ts";
import { GenieError } from "../errors.ts";
import type { Images } from "../images.ts";
import { requireBatchNorms, upToLastBatchNorm } from "../ir/batchNorms.ts";
import type { Graph, InputRange } from "../ir/graph.ts";
import { initializeKernels, view } from "../kernels/heap.ts";
import { randomNormal } from "../kernels/random.ts";
import { createBreather, type LongWork } from "../progress.ts";
import { estimateInputRanges } from "./estimateRange.ts";
import { inputLayout } from "./inputLayout.ts";
import { teacherOps } from "./teacher.ts";

/** Distance of one BatchNorm's input from its running mean μ and standard deviation σ. */
export interface StatisticsDistance {
  /** The BatchNorm. */
  layer: string;
  /** √(Σ (m − μ)² / Σ σ²) over channels: 0.1 means that means are off by a tenth of a standard deviation. */
  mean: number;
  /** √(Σ (s − σ)² / Σ σ²) over channels. */
  std: number;
}

/** Images that go through the network at once. */
const BATCH = 32;

/**
 * For every BatchNorm with statistics, in topological order, how far the mean m and the standard deviation s of its
 * input, over all images and positions, are from the running ones.
 *
 * @param graph A float model with its BatchNorms.
 * @param images In the range that the model expects its input in, as `synthesize` gives them.
 * @throws GenieError `no-batch-norm`, `invalid-data`, `aborted`.
 */
export async function statisticsDistance(
  graph: Graph,
  images: Images,
  { signal }: Pick<LongWork, "signal"> = {},
): Promise<StatisticsDistance[]> {
  const targets = requireBatchNorms(graph);
  const count = images.shape[0]!;
  const { shape } = inputLayout(graph);
  if (count < 1 || images.shape.slice(1).join() !== shape.join()) {
    throw new GenieError(
      "invalid-data",
      `images [${images.shape}] do not fit an input of [N, ${shape.join(", ")}]`,
    );
  }
  await initializeKernels();
  const breathe = createBreather(signal);
  const body = upToLastBatchNorm(graph);
  const constants = uploadConstants(body);
  const moments = new Map(targets.map(({ name, channels }) => [name, createMoments(channels)]));
  const ops = teacherOps(({ node, mean, std }) => moments.get(node)?.add(mean, std), null);
  try {
    for (let start = 0; start < count; start += BATCH) {
      const end = Math.min(start + BATCH, count);
      for (const item of moments.values()) item.weight = end - start;
      tidy(() => {
        run(body, new Map([...constants, [body.inputs[0]!.name, slab(images, start, end)]]), { ops });
      });
      await breathe();
    }
  } finally {
    disposeAll(constants.values());
  }
  return targets.map(({ name, mean, std }) => {
    const found = moments.get(name)!.total();
    const power = std.reduce((sum, value) => sum + value * value, 0);
    const distance = (a: Float64Array, b: Float32Array): number =>
      Math.sqrt(a.reduce((sum, value, c) => sum + (value - b[c]!) ** 2, 0) / power);
    return { layer: name, mean: distance(found.mean, mean), std: distance(found.std, std) };
  });
}

/** What synthesis starts from, to compare with: N(mean, std²) in the input's range, pixels independent. */
export async function noiseImages(graph: Graph, count: number, seed = 0): Promise<Images> {
  const { shape } = inputLayout(graph);
  const { mean, std } = await findInputRange(graph);
  const noise = download(() => randomNormal([count, ...shape], seed, 0));
  const units = mean.length;
  const data = noise.map((value, i) => value * std[i % units]! + mean[i % units]!);
  return { shape: [count, ...shape], data };
}

/** The range of the network's first input as the network tells it: see `estimateInputRanges`. */
export async function findInputRange(graph: Graph): Promise<InputRange> {
  await initializeKernels();
  return estimateInputRanges(graph).ranges[0]!;
}

/** Mean and variance over batches from the means and standard deviations of each. */
function createMoments(channels: number) {
  const sums = new Float64Array(channels);
  const squares = new Float64Array(channels);
  let total = 0;
  return {
    /** Images of the batch that comes next. */
    weight: 0,
    add(mean: Tensor, std: Tensor): void {
      const [m, s] = [view(mean), view(std)];
      for (let c = 0; c < channels; c++) {
        sums[c] = sums[c]! + this.weight * m[c]!;
        squares[c] = squares[c]! + this.weight * (s[c]! ** 2 + m[c]! ** 2);
      }
      total += this.weight;
    },
    total: () => ({
      mean: sums.map((sum) => sum / total),
      std: squares.map((square, c) => Math.sqrt(Math.max(0, square / total - (sums[c]! / total) ** 2))),
    }),
  };
}
