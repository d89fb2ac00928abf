/** Options of reconstruction, their defaults (the published values) and their limits. */
import { type BitSetting, requireBits } from "../ir/bits.ts";
import { type Resolved, requireInteger, requireNumber } from "../options.ts";
import type { LongWork } from "../progress.ts";

export interface ReconstructionOptions extends LongWork {
  /** Bits of the weights of all layers but the first and the last, which have 8. */
  weightBits?: number | undefined;
  /** Bits of the quantized activations, but for the last layer's input (8) and what `setting` says. */
  activationBits?: number | undefined;
  setting?: BitSetting | undefined;
  /**
   * Zero points of the weights at the middle of the grid, which integer kernels need to be fast. Default "wide": for
   * weights of 8 bits, which lose nothing by it; fewer bits keep the published asymmetric grid.
   */
  symmetricWeights?: boolean | "wide" | undefined;
  /** Iterations a block. */
  iterations?: number | undefined;
  batchSize?: number | undefined;
  /** Images that are run at once outside training. */
  slabSize?: number | undefined;
  seed?: number | undefined;
  /** Whether weight steps are learned with the rounding (GENIE-M) or frozen at their first value (AdaRound). */
  learnStepSize?: boolean | undefined;
  /**
   * Whether each layer's bias is corrected behind its training (`correctBiases`). Not part of the published method, and
   * what depthwise networks need: MobileNetV1 0.75 at W4A8 after 20 iterations a block keeps 82 of 87.5 % with it,
   * 48 without.
   */
  correctBias?: boolean | undefined;
  /**
   * Whether channels of low-bit activations are brought to a common range first (`equalizeActivations`). Not part of
   * the published method either; it touches networks with depthwise layers, whose channels differ most in range.
   */
  equalize?: boolean | undefined;
  /**
   * Whether each block is rounded in closed form as well (`roundBlock`), which takes the place of the learned rounding
   * where it errs less; blocks of several dense layers only where they learn for fewer than 100 iterations. Not part of
   * the published method.
   */
  feedback?: boolean | undefined;
  /**
   * Learning rate of the rounding logits V. Default: the published 1e-3, and in fewer than the published 20 000
   * iterations as many times more, up to 1e-2: at 1e-3 most of the logits would not get where they are going
   * (ResNet-20, squared error of the scores on real images after 200 iterations at W4A4 and 300 at W3A3: 15.6 against
   * 19.0, 48.9 against 58.3).
   */
  roundingLearningRate?: number | undefined;
  /** Learning rate of the weights' step sizes; decays to 0 as a cosine. */
  weightStepLearningRate?: number | undefined;
  /** Learning rate of the activations' step sizes; decays to 0 as a cosine. */
  activationStepLearningRate?: number | undefined;
  /** Weight of the rounding regularizer. */
  roundingWeight?: number | undefined;
  /** Share of the iterations before the regularizer sets in. */
  warmup?: number | undefined;
  /** The regularizer's exponent β at the end of the warm-up and at the last iteration. */
  beta?: readonly [number, number] | undefined;
  /** Probability that QDrop leaves an activation float, and that a unit's input element is the float model's. */
  dropProbability?: number | undefined;
}

export type ResolvedReconstruction = Resolved<ReconstructionOptions, keyof LongWork>;

/** What decides the quantized model: plain data, which can be sent to a worker. */
export type ReconstructionSettings = Omit<ResolvedReconstruction, keyof LongWork>;

/** The settings without callbacks and signals. */
export function plainSettings({
  onProgress,
  onNote,
  signal,
  ...settings
}: ResolvedReconstruction): ReconstructionSettings {
  return settings;
}

const PUBLISHED_ITERATIONS = 20_000;

function roundingLearningRate(iterations: number): number {
  return 1e-3 * Math.min(10, Math.max(1, PUBLISHED_ITERATIONS / iterations));
}

/** Fills in the defaults. @throws GenieError `invalid-option` naming the option and its range. */
export function resolveReconstruction(options: ReconstructionOptions): ResolvedReconstruction {
  const { iterations = PUBLISHED_ITERATIONS } = options;
  const resolved: ResolvedReconstruction = {
    onProgress: options.onProgress,
    onNote: options.onNote,
    signal: options.signal,
    weightBits: options.weightBits ?? 4,
    activationBits: options.activationBits ?? 4,
    setting: options.setting ?? "brecq",
    symmetricWeights: options.symmetricWeights ?? "wide",
    iterations,
    batchSize: options.batchSize ?? 32,
    slabSize: options.slabSize ?? 64,
    seed: options.seed ?? 0,
    learnStepSize: options.learnStepSize ?? true,
    correctBias: options.correctBias ?? true,
    equalize: options.equalize ?? true,
    feedback: options.feedback ?? true,
    roundingLearningRate: options.roundingLearningRate ?? roundingLearningRate(iterations),
    weightStepLearningRate: options.weightStepLearningRate ?? 1e-4,
    activationStepLearningRate: options.activationStepLearningRate ?? 4e-5,
    roundingWeight: options.roundingWeight ?? 1,
    warmup: options.warmup ?? 0.2,
    beta: options.beta ?? [20, 2],
    dropProbability: options.dropProbability ?? 0.5,
  };
  requireBits(resolved);
  requireInteger("iterations", resolved.iterations, 0, 1e7);
  requireInteger("batchSize", resolved.batchSize, 1, 4096);
  requireInteger("slabSize", resolved.slabSize, 1, 4096);
  requireInteger("seed", resolved.seed, 0, 2 ** 32 - 1);
  requireNumber("roundingLearningRate", resolved.roundingLearningRate, 0);
  requireNumber("weightStepLearningRate", resolved.weightStepLearningRate, 0);
  requireNumber("activationStepLearningRate", resolved.activationStepLearningRate, 0);
  requireNumber("roundingWeight", resolved.roundingWeight, 0);
  requireNumber("warmup", resolved.warmup, 0, 1);
  requireNumber("dropProbability", resolved.dropProbability, 0, 1);
  for (const beta of resolved.beta) requireNumber("beta", beta, 2);
  return resolved;
}
