/** GENIE-D: images from the BatchNorm statistics of a float model (Jeon et al., CVPR 2023, section 3). */
import type { Images } from "../images.ts";
import type { Graph, InputRange } from "../ir/graph.ts";
import { elementsPerImage } from "../ir/shapeChecks.ts";
import { initializeKernels } from "../kernels/heap.ts";
import { subSeed } from "../kernels/random.ts";
import { createBreather } from "../progress.ts";
import { distillBatch } from "./batch.ts";
import { atRange } from "./candidates.ts";
import { estimateInputRanges, type FoundRanges } from "./estimateRange.ts";
import { chooseSource } from "./imageSource.ts";
import { inputLayout } from "./inputLayout.ts";
import { knownRange, requireRange } from "./inputRange.ts";
import { type BatchSettings, plainSettings, type ResolvedSynthesis } from "./options.ts";
import { drawPrior } from "./prior/prior.ts";

/** Who distills batches: the calling thread, or a pool of workers. */
export interface Distiller {
  /** Batches under way at once. */
  concurrency: number;
  /** The ranges of the network's inputs, found in the network (see `estimateInputRanges`): once a run. */
  findInputRanges(graph: Graph): Promise<FoundRanges>;
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
    async findInputRanges(graph) {
      await initializeKernels();
      await breathe();
      return estimateInputRanges(graph);
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
 * Synthesizes images whose statistics at every BatchNorm input match the model's running statistics, or draws them from
 * a prior (see `chooseSource`; `onNote` hears of it). The result does not depend on who distills, nor on how many at
 * once.
 *
 * @param graph A float model; its inputs are images [−1, H, W, C] or [−1, H, W], or features [−1, F].
 * @param store Batches that are in it are taken from it, the others go into it.
 * @returns [images, …] in the range that the model expects its input in. If `signal` fires, what `onBatch` has
 *   been given is what is done.
 * @throws GenieError `no-batch-norm`, `invalid-option`, `invalid-model`, `aborted`.
 */
export async function synthesize(
  graph: Graph,
  resolved: ResolvedSynthesis,
  distiller: Distiller,
  store?: BatchStore,
): Promise<Images> {
  const { onBatch, onProgress, onNote } = resolved;
  const source = chooseSource(graph, resolved.mode);
  if (source.note) onNote?.(source.note);
  // What is drawn is not learned.
  const iterations = source.mode === "prior" ? 1 : resolved.iterations;
  const settings = { ...plainSettings(resolved), mode: source.mode, iterations };
  const { images, batchSize, inputRange } = settings;
  const layout = inputLayout(graph);
  const { shape: imageShape } = layout;
  if (inputRange !== "auto") requireRange(inputRange, layout);
  const stride = elementsPerImage(imageShape);
  const out: Images = { shape: [images, ...imageShape], data: new Float32Array(images * stride) };
  // The last batch is as large as the others: statistics of a handful of images say little. Its rest is dropped.
  const batches = Math.ceil(images / batchSize);
  // A batch may begin anew where a worker died.
  const iterationsDone = new Float64Array(batches);
  let found: Promise<InputRange[]> | undefined;
  const findRanges = (): Promise<InputRange[]> => {
    found ??=
      inputRange === "auto"
        ? distiller.findInputRanges(graph).then(({ ranges, note }) => {
            if (note) onNote?.(note);
            return ranges;
          })
        : Promise.resolve([inputRange, ...graph.inputs.slice(1).map((_, k) => knownRange(graph, k + 1))]);
    return found;
  };
  const distillOne = async (batch: number): Promise<Float32Array> => {
    const kept = await store?.batch(batch);
    if (kept) {
      iterationsDone[batch] = iterations;
      return kept;
    }
    // Not before a batch is wanted that no checkpoint has.
    const ofBatch = { ...settings, inputRange: (await findRanges())[0]! };
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
  if (graph.inputs.length === 1) return out;
  await initializeKernels();
  return { ...out, others: drawOthers(graph, images, settings.seed, await findRanges()) };
}

/** What the inputs behind the first get beside its images, by their names. */
function drawOthers(
  graph: Graph,
  count: number,
  seed: number,
  ranges: readonly InputRange[],
): Record<string, Images> {
  const drawn = graph.inputs.slice(1).map(({ name }, k) => {
    const layout = inputLayout(graph, k + 1);
    const data = atRange(drawPrior(layout, count, subSeed((seed ^ OTHERS) >>> 0, k)), ranges[k + 1]!);
    return [name, { shape: [count, ...layout.shape], data }];
  });
  return Object.fromEntries(drawn);
}

/** Apart from the seeds of batches. */
const OTHERS = 0x5bd1e995;

/** Runs `task` for 0 … count − 1, `lanes` at once, each lane taking the next that is left. */
async function inLanes(count: number, lanes: number, task: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await task(next++);
  };
  await Promise.all(Array.from({ length: Math.min(lanes, count) }, lane));
}
