/** Where the work is done: in workers, or in the calling thread. */
import type { CheckpointStore } from "../checkpoint/store.ts";
import type { Images } from "../images.ts";
import type { Graph, QuantizedGraph } from "../ir/graph.ts";
import { probeArithmetic } from "../kernels/arithmetic.ts";
import type { Arithmetic, Binary } from "../kernels/binary.ts";
import { chooseBinary, initializeKernels } from "../kernels/heap.ts";
import { defaultMemory } from "../memory/device.ts";
import { requireInteger, requireNumber } from "../options.ts";
import { type ProfileListener, profiled, type StageProfile } from "../profile.ts";
import { type ReconstructionOptions, resolveReconstruction } from "../quantization/options.ts";
import { type Reconstruction, reconstruct, reconstructHere } from "../quantization/reconstruct.ts";
import { distillHere, synthesize } from "../synthesis/distill.ts";
import { resolveSynthesis, type SynthesisOptions } from "../synthesis/options.ts";
import { distillIn, predictIn, reconstructIn } from "../workers/parallel.ts";
import { createPool } from "../workers/pool.ts";
import { coreCount } from "../workers/runtime.ts";
import { type EvaluateOptions, type Evaluation, evaluate, predict } from "./evaluate.ts";
import { fitReconstruction, fitSynthesis } from "./fit.ts";
import { type Quantization, quantizeBy, type Stages } from "./quantize.ts";
import { resume } from "./resume.ts";
import { type QuantizeOptions, resolveQuantize } from "./settings.ts";

/** Long work that can go on where it was stopped. */
export interface Resumable {
  /**
   * Where finished batches and blocks are kept (`fileCheckpoint`, `browserCheckpoint`). A run that finds its own
   * there goes on behind them and ends with the same bits as an unbroken one. It stays until `clear()`.
   */
  checkpoint?: CheckpointStore | undefined;
}

export interface SessionOptions {
  /** Workers that share the work; 0 does it in the calling thread. Default: one a core. */
  workers?: number | undefined;
  /** Which kernels: with relaxed SIMD (default where the engine has it) or without. */
  binary?: Binary | undefined;
  /**
   * Bytes that workers, their heaps and images may take together; batches and workers are made fewer to fit. Default: half of what
   * the device reports to have.
   */
  memory?: number | undefined;
  /** Hears what each worker spent its time on, by kernel, as pieces of work are finished. Results are the same. */
  onProfile?: ProfileListener | undefined;
}

/** Workers and their heaps, for as many calls as one likes. They start with the first call that needs them. */
export interface Session {
  readonly workers: number;
  readonly binary: Binary;
  /** What the bits of results depend on beside options and workers: equal on two machines, they give the same. */
  readonly arithmetic: Arithmetic;
  quantize(graph: Graph, options?: QuantizeOptions & Resumable): Promise<Quantization>;
  synthesize(graph: Graph, options?: SynthesisOptions & Resumable): Promise<Images>;
  reconstruct(
    graph: Graph,
    images: Images,
    options?: ReconstructionOptions & Resumable,
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
  const arithmetic = await probeArithmetic(binary);
  const memory = options.memory ?? (await defaultMemory());
  requireNumber("memory", memory, 1);
  const { onProfile } = options;
  const work = workers === 0 ? workHere(binary, onProfile) : workInWorkers(workers, binary, onProfile);
  const runner = { workers, arithmetic, memory };
  return {
    workers,
    binary,
    arithmetic,
    ...work,
    async quantize(graph, options = {}) {
      return quantizeBy(work, graph, resolveQuantize(graph, options), runner, options.checkpoint);
    },
    async synthesize(graph, options = {}) {
      const fitted = fitSynthesis(graph, resolveSynthesis(options), runner);
      const run = { synthesis: fitted.settings };
      const store = await resume(options.checkpoint, graph, run, runner, options.onNote);
      try {
        return await work.synthesize(graph, fitted.settings, store, fitted.workers);
      } finally {
        await store?.release();
      }
    },
    async reconstruct(graph, images, options = {}) {
      const fitted = fitReconstruction(graph, images, resolveReconstruction(options), runner);
      const members = { ...runner, workers: fitted.workers };
      const run = { reconstruction: fitted.settings, data: images };
      const store = await resume(options.checkpoint, graph, run, members, options.onNote);
      try {
        return await work.reconstruct(graph, images, fitted.settings, store, fitted.workers);
      } finally {
        await store?.release();
      }
    },
  };
}

type Work = Stages & Pick<Session, "predict" | "evaluate" | "close">;

function workHere(binary: Binary, onProfile: ProfileListener | undefined): Work {
  const here = async <T>(stage: StageProfile["stage"], work: () => Promise<T>): Promise<T> => {
    await initializeKernels({ binary });
    return profiled(stage, onProfile, work);
  };
  return {
    synthesize: (graph, settings, store) =>
      here("synthesis", () => synthesize(graph, settings, distillHere(settings.signal), store)),
    reconstruct: (graph, images, settings, store) =>
      here("reconstruction", () =>
        reconstruct(graph, images, settings, reconstructHere(settings.signal), store),
      ),
    predict: (model, images, options) => here("evaluation", () => predict(model, images, options)),
    evaluate: (model, images, labels, options) =>
      here("evaluation", () => evaluate(model, images, labels, options)),
    close() {},
  };
}

function workInWorkers(workers: number, binary: Binary, onProfile: ProfileListener | undefined): Work {
  const pool = createPool({ size: workers, binary, onProfile });
  const predictThere: typeof predict = (model, images, { batchSize = 64, onProgress, signal } = {}) => {
    const total = images.shape[0]!;
    const onDone = (done: number): void =>
      onProgress?.({ stage: "evaluation", done, total, fraction: done / total });
    return predictIn(pool, model, images, { batchSize, onDone, signal });
  };
  return {
    synthesize: (graph, settings, store, members) =>
      synthesize(graph, settings, distillIn(pool, settings.signal, members), store),
    reconstruct: (graph, images, settings, store, members) =>
      reconstruct(graph, images, settings, reconstructIn(pool, settings.signal, members), store),
    predict: predictThere,
    evaluate: (model, images, labels, options) => evaluate(model, images, labels, options, predictThere),
    close: () => pool.close(),
  };
}
