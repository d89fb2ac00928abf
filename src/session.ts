/** Where the work is done: in workers, or in the calling thread. */
import { type EvaluateOptions, type Evaluation, evaluate, predict } from "./evaluate.ts";
import type { Images } from "./images.ts";
import type { Graph, QuantizedGraph } from "./ir/graph.ts";
import { type Binary, chooseBinary, initializeKernels } from "./kernels/heap.ts";
import { requireInteger } from "./options.ts";
import type { ReconstructionOptions } from "./quantization/options.ts";
import {
  type BlockStore,
  type Reconstruction,
  reconstruct,
  reconstructHere,
} from "./quantization/reconstruct.ts";
import { type BatchStore, distillHere, synthesize } from "./synthesis/distill.ts";
import type { SynthesisOptions } from "./synthesis/options.ts";
import { distillIn, predictIn, reconstructIn } from "./workers/parallel.ts";
import { createPool } from "./workers/pool.ts";
import { coreCount } from "./workers/runtime.ts";

export interface SessionOptions {
  /** Workers that share the work; 0 does it in the calling thread. Default: one a core. */
  workers?: number | undefined;
  /** Which kernels: with relaxed SIMD (default where the engine has it) or without. */
  binary?: Binary | undefined;
}

/** Workers and their heaps, for as many calls as one likes. They start with the first call that needs them. */
export interface Session {
  readonly workers: number;
  readonly binary: Binary;
  synthesize(graph: Graph, options?: SynthesisOptions, store?: BatchStore): Promise<Images>;
  reconstruct(
    graph: Graph,
    images: Images,
    options?: ReconstructionOptions,
    store?: BlockStore,
  ): Promise<Reconstruction>;
  predict(model: Graph | QuantizedGraph, images: Images, options?: EvaluateOptions): Promise<Images>;
  evaluate(
    model: Graph | QuantizedGraph,
    images: Images,
    labels: ArrayLike<number>,
    options?: EvaluateOptions,
  ): Promise<Evaluation>;
  /** Ends the workers, which frees their heaps; calls under way are rejected as `aborted`. */
  close(): void;
}

/** More would only wait for each other. */
const MAX_WORKERS = 256;

/**
 * Opens a session. An open one keeps a Node or Deno program running: close it.
 *
 * @throws GenieError `invalid-option`, `unsupported-runtime`.
 */
export async function openSession(options: SessionOptions = {}): Promise<Session> {
  const workers = options.workers ?? Math.min(await coreCount(), MAX_WORKERS);
  requireInteger("workers", workers, 0, MAX_WORKERS);
  const binary = await chooseBinary(options.binary);
  return workers === 0 ? sessionHere(binary) : sessionInWorkers(workers, binary);
}

/** Opens a session for one piece of work. */
export async function inSession<T>(
  options: SessionOptions,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const session = await openSession(options);
  try {
    return await work(session);
  } finally {
    session.close();
  }
}

function sessionHere(binary: Binary): Session {
  const start = (): Promise<Binary> => initializeKernels({ binary });
  return {
    workers: 0,
    binary,
    async synthesize(graph, options, store) {
      await start();
      return synthesize(graph, options, distillHere(options?.signal), store);
    },
    async reconstruct(graph, images, options, store) {
      await start();
      return reconstruct(graph, images, options, reconstructHere(options?.signal), store);
    },
    async predict(model, images, options) {
      await start();
      return predict(model, images, options);
    },
    async evaluate(model, images, labels, options) {
      await start();
      return evaluate(model, images, labels, options);
    },
    close() {},
  };
}

function sessionInWorkers(workers: number, binary: Binary): Session {
  const pool = createPool({ size: workers, binary });
  const predictThere: typeof predict = (model, images, { batchSize = 64, onProgress, signal } = {}) => {
    const total = images.shape[0]!;
    const onDone = (done: number): void =>
      onProgress?.({ stage: "evaluation", done, total, fraction: done / total });
    return predictIn(pool, model, images, { batchSize, onDone, signal });
  };
  return {
    workers,
    binary,
    synthesize: (graph, options, store) =>
      synthesize(graph, options, distillIn(pool, options?.signal), store),
    reconstruct: (graph, images, options, store) =>
      reconstruct(graph, images, options, reconstructIn(pool, options?.signal), store),
    predict: predictThere,
    evaluate: (model, images, labels, options) => evaluate(model, images, labels, options, predictThere),
    close: () => pool.close(),
  };
}
