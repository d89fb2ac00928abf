/** Budgets by name; every number can be overridden one by one. */

export interface Preset {
  /** Images synthesized. */
  images: number;
  /** Distillation iterations a batch of 128 images. */
  synthesisIterations: number;
  /** Reconstruction iterations a block. */
  reconstructionIterations: number;
}

export type PresetName = "fast" | "balanced" | "best";

export const presets: Readonly<Record<PresetName, Preset>> = {
  /** A first look: enough for 8 and 4 bits on small networks. */
  fast: { images: 128, synthesisIterations: 100, reconstructionIterations: 100 },
  /** A tenth of the published synthesis and a quarter of its images. */
  balanced: { images: 256, synthesisIterations: 300, reconstructionIterations: 600 },
  /** The published budget. */
  best: { images: 1024, synthesisIterations: 4000, reconstructionIterations: 20_000 },
};
