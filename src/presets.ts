/** Budgets by name; every number can be overridden one by one. */

export interface Preset {
  /** Images synthesized. */
  images: number;
  /** Images distilled together: small enough that two cores share even the smallest budget. */
  batchSize: number;
  /** Distillation iterations a batch. */
  synthesisIterations: number;
  /** Reconstruction iterations a block. */
  reconstructionIterations: number;
}

export type PresetName = "fast" | "balanced" | "best";

export const presets: Readonly<Record<PresetName, Preset>> = {
  /** Enough for 8 and 4 bits on small networks. */
  fast: { images: 128, batchSize: 64, synthesisIterations: 300, reconstructionIterations: 300 },
  /** A tenth of the published synthesis and a quarter of its images. */
  balanced: { images: 256, batchSize: 64, synthesisIterations: 300, reconstructionIterations: 600 },
  /** The published budget. */
  best: { images: 1024, batchSize: 128, synthesisIterations: 4000, reconstructionIterations: 20_000 },
};
