/** Options of synthesis, their defaults (the published values) and their limits. */
import { GenieError } from "../errors.ts";
import type { Images } from "../images.ts";
import type { InputRange } from "../ir/graph.ts";
import { type Resolved, requireInteger, requireNumber } from "../options.ts";
import type { LongWork } from "../progress.ts";

/** What is learned: latents and generator (GENIE), the generator alone (as GDFQ), or the pixels (as ZeroQ). */
export type LearnedMode = "genie" | "generator" | "pixels";

/** How a batch is made: learned from statistics, or drawn from what is known of such inputs in general. */
export type SettledMode = LearnedMode | "prior";

/** "auto" is "genie" where the model has the statistics for it, else "prior" (see `chooseSource`). */
export type SynthesisMode = SettledMode | "auto";

const MODES: readonly SynthesisMode[] = ["auto", "genie", "generator", "pixels", "prior"];

export interface SynthesisOptions extends LongWork {
  /** Images in all. */
  images?: number | undefined;
  /** Images distilled together; each batch has a generator and latents of its own. */
  batchSize?: number | undefined;
  /** Iterations a batch. */
  iterations?: number | undefined;
  /** Default: "auto". */
  mode?: SynthesisMode | undefined;
  /** Swing convolution in the teacher. */
  swing?: boolean | undefined;
  seed?: number | undefined;
  /** Length of a latent vector. */
  latents?: number | undefined;
  /**
   * Mean and standard deviation of the first input, by channel or by column; "auto" finds them in the model (see
   * `estimateInputRanges`), {mean: [0, 0, 0], std: [1, 1, 1]} is what the published method assumes.
   */
  inputRange?: "auto" | InputRange | undefined;
  /** Initial learning rate of the latents; falls ×0.1 on a plateau of 100 iterations, to 1e-4. */
  latentLearningRate?: number | undefined;
  /** Initial learning rate of the generator; falls ×0.95 every 100 iterations. */
  generatorLearningRate?: number | undefined;
  /** Initial learning rate of the pixels in mode "pixels"; falls like the latents'. */
  pixelLearningRate?: number | undefined;
  /** Called with each batch of images as soon as it is finished. */
  onBatch?: ((batch: Images, index: number) => void) | undefined;
}

export type ResolvedSynthesis = Resolved<SynthesisOptions, keyof LongWork | "onBatch">;

/** What decides the images: plain data, which can be sent to a worker. */
export type SynthesisSettings = Omit<ResolvedSynthesis, keyof LongWork | "onBatch">;

/** The settings of one batch: what a run settles once for all its batches is settled. */
export type BatchSettings = SynthesisSettings & { inputRange: InputRange; mode: SettledMode };

/** The settings without callbacks and signals. */
export function plainSettings({
  onProgress,
  onNote,
  signal,
  onBatch,
  ...settings
}: ResolvedSynthesis): SynthesisSettings {
  return settings;
}

/** Fills in the defaults. @throws GenieError `invalid-option` naming the option and its range. */
export function resolveSynthesis(options: SynthesisOptions): ResolvedSynthesis {
  const resolved: ResolvedSynthesis = {
    onProgress: options.onProgress,
    onNote: options.onNote,
    signal: options.signal,
    onBatch: options.onBatch,
    images: options.images ?? 1024,
    batchSize: options.batchSize ?? 128,
    iterations: options.iterations ?? 4000,
    mode: options.mode ?? "auto",
    swing: options.swing ?? true,
    seed: options.seed ?? 0,
    latents: options.latents ?? 256,
    inputRange: options.inputRange ?? "auto",
    latentLearningRate: options.latentLearningRate ?? 0.1,
    generatorLearningRate: options.generatorLearningRate ?? 0.01,
    pixelLearningRate: options.pixelLearningRate ?? 0.1,
  };
  requireInteger("images", resolved.images, 1, 1e6);
  // A batch of one has no spread for the generator's BatchNorm to normalize by.
  requireInteger("batchSize", resolved.batchSize, 2, 4096);
  requireInteger("iterations", resolved.iterations, 1, 1e7);
  requireInteger("seed", resolved.seed, 0, 2 ** 32 - 1);
  requireInteger("latents", resolved.latents, 1, 65536);
  requireInputRange(resolved.inputRange);
  if (!MODES.includes(resolved.mode)) {
    throw new GenieError("invalid-option", `mode must be one of ${MODES.join(", ")}, not "${resolved.mode}"`);
  }
  for (const name of ["latentLearningRate", "generatorLearningRate", "pixelLearningRate"] as const) {
    requireNumber(name, resolved[name], 0);
  }
  return resolved;
}

/** What is wrong with the numbers in it, the network's input decides: see `requireRange`. */
function requireInputRange(range: "auto" | InputRange): void {
  if (range === "auto" || (Array.isArray(range?.mean) && Array.isArray(range?.std))) return;
  throw new GenieError("invalid-option", 'inputRange must be "auto" or {mean: [...], std: [...]}');
}
