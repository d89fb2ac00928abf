/** GENIE-D: images from the BatchNorm statistics of a float model (Jeon et al., CVPR 2023, section 3). */
import type { Images } from "../images.ts";
import { requireBatchNorms } from "../ir/batchNorms.ts";
import type { Graph, InputRange } from "../ir/graph.ts";
import { elementsPerImage } from "../ir/shapeRules.ts";
import { initializeKernels } from "../kernels/heap.ts";
import { createBreather } from "../progress.ts";
import { distillBatch } from "./batch.ts";
import { estimateInputRange } from "./estimateRange.ts";
import { inputLayout } from "./inputLayout.ts";
import { requireRange } from "./inputRange.ts";
import { type BatchSettings, plainSettings, resolveSynthesis, type SynthesisOptions } from "./options.ts";

/** Who distills batches: the calling thread, or a pool of workers. */
export interface Distiller {
  /** Batches under way at once. */
  concurrency: number;
  /** The range of the network's input, found in the network (see `estimateInputRange`): once a run. */
  findInputRange(graph: Graph): Promise<InputRange>;
  /** Pixels [B·H·W·C] of one batch; `onIteration` gets the 0-based number and the loss of each iteration. */
  distill(
    graph: Graph,
    settings: BatchSettings,
    batch: number,
    onIteration: (iteration: number, loss: number) => void,
  ): Promise<Float32Array>;
}

/** Finished batches kept for a run that goes on: a checkpoint. */
export interface BatchStore {
  batch(index: number): Promise<Float32Array | undefined>;
  saveBatch(index: number, pixels: Float32Array): Promise<void>;
}

/** The calling thread, which lets timers and signals through between iterations. */
export function distillHere(signal: AbortSignal | undefined): Distiller {
  // One for all batches: short ones would each end before they are due to let others run.
  const breathe = createBreather(signal);
  return {
    concurrency: 1,
    async findInputRange(graph) {
      await initializeKernels();
      await breathe();
      return estimateInputRange(graph);
    },
    async distill(graph, settings, batch, onIteration) {
      await initializeKernels();
      await breathe();
      return distillBatch(graph, settings, batch, async (iteration, loss) => {
        onIteration(iteration, loss);
        await breathe();
      });
    },
  };
}

/**
 * Synthesizes images whose statistics at every BatchNorm input match the model's running statistics. The result does
 * not depend on who distills, nor on how many at once.
 *
 * @param graph A float model with BatchNorm and one input: images [−1, H, W, C] or [−1, H, W], or features [−1, F].
 * @param store Batches that are in it are taken from it, the others go into it.
 * @returns [images, …] in the range that the model expects its input in. If `signal` fires, what `onBatch` has
 *   been given is what is done.
 * @throws GenieError `no-batch-norm`, `invalid-option`, `invalid-model`, `aborted`.
 */
export async function synthesize(
  graph: Graph,
  options: SynthesisOptions = {},
  distiller: Distiller = distillHere(options.signal),
  store?: BatchStore,
): Promise<Images> {
  const resolved = resolveSynthesis(options);
  const { onBatch, onProgress } = resolved;
  const settings = plainSettings(resolved);
  const { images, batchSize, iterations, inputRange } = settings;
  const layout = inputLayout(graph);
  const { shape: imageShape } = layout;
  if (inputRange !== "auto") requireRange(inputRange, layout);
  requireBatchNorms(graph);
  const stride = elementsPerImage(imageShape);
  const out: Images = { shape: [images, ...imageShape], data: new Float32Array(images * stride) };
  // The last batch is as large as the others: statistics of a handful of images say little. Its rest is dropped.
  const batches = Math.ceil(images / batchSize);
  // A batch may begin anew where a worker died.
  const iterationsDone = new Float64Array(batches);
  let range: Promise<InputRange> | undefined;
  const findRange = (): Promise<InputRange> => {
    range ??= inputRange === "auto" ? distiller.findInputRange(graph) : Promise.resolve(inputRange);
    return range;
  };
  const distillOne = async (batch: number): Promise<Float32Array> => {
    const kept = await store?.batch(batch);
    if (kept) {
      iterationsDone[batch] = iterations;
      return kept;
    }
    // Not before a batch is wanted that no checkpoint has.
    const ofBatch = { ...settings, inputRange: await findRange() };
    const pixels = await distiller.distill(graph, ofBatch, batch, (iteration, loss) => {
      iterationsDone[batch] = iteration + 1;
      onProgress?.({
        stage: "synthesis",
        batch,
        batches,
        iteration: iteration + 1,
        iterations,
        loss,
        fraction: iterationsDone.reduce((sum, done) => sum + done, 0) / (iterations * batches),
      });
    });
    await store?.saveBatch(batch, pixels);
    return pixels;
  };
  await inLanes(batches, distiller.concurrency, async (batch) => {
    const pixels = await distillOne(batch);
    const first = batch * batchSize;
    const count = Math.min(batchSize, images - first);
    const kept = pixels.subarray(0, count * stride);
    out.data.set(kept, first * stride);
    onBatch?.({ shape: [count, ...imageShape], data: kept.slice() }, batch);
  });
  return out;
}

/** Runs `task` for 0 … count − 1, `lanes` at once, each lane taking the next that is left. */
async function inLanes(count: number, lanes: number, task: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await task(next++);
  };
  await Promise.all(Array.from({ length: Math.min(lanes, count) }, lane));
}
