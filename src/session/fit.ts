/** The settings of a run, made to fit the memory that it may take. */
import type { Images } from "../images.ts";
import type { Graph } from "../ir/graph.ts";
import { planMemory } from "../memory/plan.ts";
import type { ResolvedReconstruction } from "../quantization/options.ts";
import type { ResolvedSynthesis } from "../synthesis/options.ts";

/** What a run has at its disposal. */
export interface Resources {
  workers: number;
  /** Bytes that all heaps and images may take together. */
  memory: number;
}

/** Settings with smaller batches where they must be, and how many of the workers may work at once. */
export interface Fitted<Settings> {
  settings: Settings;
  workers: number;
}

/**
 * Says through `onNote` what is smaller than asked for.
 *
 * @throws GenieError `unsupported-runtime` where not even the least batch fits.
 */
export function fitSynthesis(
  graph: Graph,
  settings: ResolvedSynthesis,
  { workers, memory }: Resources,
): Fitted<ResolvedSynthesis> {
  const plan = planMemory(graph, { memory, workers, images: settings.images, synthesis: settings });
  for (const note of plan.notes) settings.onNote?.(note);
  return { settings: { ...settings, batchSize: plan.synthesisBatchSize }, workers: plan.workers };
}

/** The same for reconstruction on `images` images. */
export function fitReconstruction(
  graph: Graph,
  images: Images | number,
  settings: ResolvedReconstruction,
  { workers, memory }: Resources,
): Fitted<ResolvedReconstruction> {
  const count = typeof images === "number" ? images : images.shape[0]!;
  const plan = planMemory(graph, { memory, workers, images: count, reconstruction: settings });
  for (const note of plan.notes) settings.onNote?.(note);
  const slabSize = Math.min(plan.slabSize, settings.slabSize);
  return {
    settings: { ...settings, batchSize: plan.reconstructionBatchSize, slabSize },
    workers: plan.workers,
  };
}
