/** The options of a run, made to fit the memory that it may take. */
import type { Images } from "../images.ts";
import type { Graph } from "../ir/graph.ts";
import { planMemory } from "../memory/plan.ts";
import { type ReconstructionOptions, resolveReconstruction } from "../quantization/options.ts";
import { resolveSynthesis, type SynthesisOptions } from "../synthesis/options.ts";

/** What a run has at its disposal. */
export interface Resources {
  workers: number;
  /** Bytes that all heaps and images may take together. */
  memory: number;
}

/** Options with smaller batches where they must be, and how many of the workers may work at once. */
export interface Fitted<Options> {
  options: Options;
  workers: number;
}

/**
 * Says through `onNote` what is smaller than asked for.
 *
 * @throws GenieError `unsupported-runtime` where not even the least batch fits.
 */
export function fitSynthesis(
  graph: Graph,
  options: SynthesisOptions,
  { workers, memory }: Resources,
): Fitted<SynthesisOptions> {
  const resolved = resolveSynthesis(options);
  const plan = planMemory(graph, { memory, workers, images: resolved.images, synthesis: resolved });
  for (const note of plan.notes) options.onNote?.(note);
  return { options: { ...options, batchSize: plan.synthesisBatchSize }, workers: plan.workers };
}

/** The same for reconstruction on `images` images. */
export function fitReconstruction(
  graph: Graph,
  images: Images | number,
  options: ReconstructionOptions,
  { workers, memory }: Resources,
): Fitted<ReconstructionOptions> {
  const resolved = resolveReconstruction(options);
  const count = typeof images === "number" ? images : images.shape[0]!;
  const plan = planMemory(graph, { memory, workers, images: count, reconstruction: resolved });
  for (const note of plan.notes) options.onNote?.(note);
  const slabSize = Math.min(plan.slabSize, resolved.slabSize);
  return {
    options: { ...options, batchSize: plan.reconstructionBatchSize, slabSize },
    workers: plan.workers,
  };
}
