/** Budgets by name and by size of the input; every number can be overridden one by one. */
import type { Graph } from "../ir/graph.ts";
import { inputLayout, isVector } from "../synthesis/inputLayout.ts";
import type { SynthesisOptions } from "../synthesis/options.ts";

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

/** An image of 224×224 costs what 49 of 32×32 do, and has as many more windows for a filter to learn from. */
export type InputSize = "small" | "large";

/** The budget of the paper, whatever the input's size. */
const published: Preset = {
  images: 1024,
  batchSize: 128,
  synthesisIterations: 4000,
  reconstructionIterations: 20_000,
};

/** docs/presets.md has what each of them reaches, and when. */
export const presets: Readonly<Record<PresetName, Readonly<Record<InputSize, Preset>>>> = {
  /** Enough for 8 and 4 bits. */
  fast: {
    small: { images: 128, batchSize: 64, synthesisIterations: 300, reconstructionIterations: 1000 },
    large: { images: 64, batchSize: 16, synthesisIterations: 150, reconstructionIterations: 60 },
  },
  /** Twice the images, and more iterations, which fewer bits need. */
  balanced: {
    small: { images: 256, batchSize: 64, synthesisIterations: 300, reconstructionIterations: 2000 },
    large: { images: 128, batchSize: 16, synthesisIterations: 300, reconstructionIterations: 200 },
  },
  best: { small: published, large: published },
};

/** Images of more pixels than this are large. */
export const SMALL_PIXELS = 64 * 64;

/**
 * The budget that a name stands for with this network. Features have no pixels and are small, however many they are.
 *
 * @throws GenieError `invalid-model` where no images fit the network (`inputLayout`).
 */
export function presetFor(name: PresetName, graph: Graph): Preset {
  const layout = inputLayout(graph);
  const isLarge = !isVector(layout) && layout.height * layout.width > SMALL_PIXELS;
  return presets[name][isLarge ? "large" : "small"];
}

/** What synthesis may take of it. */
export function synthesisBudget({ images, batchSize, synthesisIterations }: Preset) {
  return { images, batchSize, iterations: synthesisIterations } satisfies SynthesisOptions;
}
