/** How a run fits into memory: smaller batches first, then fewer workers. */
import { GenieError } from "../errors.ts";
import type { Graph } from "../ir/graph.ts";
import { WORKER_BYTES } from "./device.ts";
import {
  reconstructionArrayBytes,
  reconstructionBytes,
  type SynthesisSize,
  synthesisBytes,
} from "./estimate.ts";
import { bytesPerImage } from "./footprint.ts";
import { MAX_HEAP_BYTES } from "./heap.ts";

export interface MemoryRequest {
  /** Bytes that workers, all heaps and images may take together. */
  memory: number;
  /** Heaps at once; the calling thread's own counts as one. */
  workers: number;
  /** Calibration images, synthetic or given. */
  images: number;
  /** Absent where the images are given. */
  synthesis?: SynthesisSize | undefined;
  reconstruction?: { batchSize: number } | undefined;
}

export interface MemoryPlan {
  workers: number;
  /** Images distilled together. */
  synthesisBatchSize: number;
  /** Images of a training batch, over all workers. */
  reconstructionBatchSize: number;
  /** Images that are run at once outside training. */
  slabSize: number;
  /** Of workers, all heaps and images, at their highest; 0 for a stage that is not asked for. */
  synthesisBytes: number;
  reconstructionBytes: number;
  /** What differs from what was asked for, in sentences. */
  notes: string[];
}

/** Statistics of fewer images say little: rather fewer workers than smaller batches. */
const WISHED_BATCH = 32;
/** The generator's BatchNorm needs a spread. */
const LEAST_BATCH = 2;
const SLAB = 64;

/** @throws GenieError `unsupported-runtime` if the least batch in one worker does not fit; says what would help. */
export function planMemory(graph: Graph, request: MemoryRequest): MemoryPlan {
  const { memory, workers, images, synthesis, reconstruction } = request;
  const notes: string[] = [];
  const plan: MemoryPlan = {
    workers,
    synthesisBatchSize: synthesis?.batchSize ?? 0,
    reconstructionBatchSize: reconstruction?.batchSize ?? 0,
    slabSize: SLAB,
    synthesisBytes: 0,
    reconstructionBytes: 0,
    notes,
  };
  if (synthesis) {
    const sizes = bytesPerImage(graph);
    const imageBytes = graph.inputs.reduce((sum, { name }) => sum + sizes.get(name)!, 0);
    const found = largestThatFits(
      "synthesis",
      memory,
      workers,
      synthesis.batchSize,
      (batchSize) => synthesisBytes(graph, { ...synthesis, batchSize }),
      2 * images * imageBytes,
    );
    Object.assign(plan, { workers: found.workers, synthesisBatchSize: found.batchSize });
    plan.synthesisBytes = found.bytes;
    if (found.batchSize < synthesis.batchSize) {
      notes.push(
        `synthesis: batches of ${found.batchSize} instead of ${synthesis.batchSize} images fit into ${gigabytes(memory)}`,
      );
    }
  }
  if (reconstruction) {
    const found = largestThatFits(
      "reconstruction",
      memory,
      plan.workers,
      reconstruction.batchSize,
      (batchSize, members) =>
        reconstructionBytes(graph, {
          batchSize: Math.ceil(batchSize / members),
          slabSize: slabFor(batchSize, reconstruction.batchSize),
        }),
      reconstructionArrayBytes(graph, images),
    );
    plan.workers = found.workers;
    plan.reconstructionBatchSize = found.batchSize;
    plan.slabSize = slabFor(found.batchSize, reconstruction.batchSize);
    plan.reconstructionBytes = found.bytes;
    if (found.batchSize < reconstruction.batchSize) {
      notes.push(
        `reconstruction: batches of ${found.batchSize} instead of ${reconstruction.batchSize} images fit into ${gigabytes(memory)}`,
      );
    }
  }
  if (plan.workers < workers) {
    notes.push(`${plan.workers} instead of ${workers} workers fit into ${gigabytes(memory)}`);
  }
  return plan;
}

/** Slabs shrink as the batch does. */
function slabFor(batchSize: number, wanted: number): number {
  return Math.max(1, Math.floor((SLAB * batchSize) / wanted));
}

/** The largest batch not below `WISHED_BATCH` on the most workers that fit, else the largest batch on one. */
function largestThatFits(
  stage: string,
  memory: number,
  workers: number,
  wanted: number,
  heapBytes: (batchSize: number, workers: number) => number,
  arrayBytes: number,
): { workers: number; batchSize: number; bytes: number } {
  const members = Math.max(1, workers);
  const total = (batchSize: number, count: number): number => {
    const heap = heapBytes(batchSize, count);
    // The calling thread is there anyway.
    const own = workers > 0 ? WORKER_BYTES : 0;
    return heap > MAX_HEAP_BYTES ? Number.POSITIVE_INFINITY : count * (heap + own) + arrayBytes;
  };
  for (let count = members; count >= 1; count--) {
    const found = (batchSize: number, bytes: number) => ({
      workers: Math.min(count, workers),
      batchSize,
      bytes,
    });
    // The rule, where memory is not short: an estimate takes tens of milliseconds on a large network.
    const all = total(wanted, count);
    if (all <= memory) return found(wanted, all);
    const least = Math.min(wanted, count > 1 ? WISHED_BATCH : LEAST_BATCH);
    if (total(least, count) > memory) continue;
    let [fits, fails] = [least, wanted];
    while (fails - fits > 1) {
      const middle = Math.floor((fits + fails) / 2);
      if (total(middle, count) <= memory) fits = middle;
      else fails = middle;
    }
    return found(fits, total(fits, count));
  }
  const needed = heapBytes(Math.min(wanted, LEAST_BATCH), 1) + (workers > 0 ? WORKER_BYTES : 0) + arrayBytes;
  throw new GenieError(
    "unsupported-runtime",
    `out of memory: ${stage} needs ${gigabytes(needed)}, of which images take ${gigabytes(arrayBytes)}, ` +
      `and may take ${gigabytes(memory)} (a heap ${gigabytes(MAX_HEAP_BYTES)}); ` +
      "allow more memory, take fewer images, or a model of a lower resolution",
  );
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(2)} GB`;
}
