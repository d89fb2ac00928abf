/** What a caller asks for, made complete: once, at the session's door. */
import type { Images } from "../images.ts";
import type { Graph } from "../ir/graph.ts";
import { given } from "../options.ts";
import type { LongWork } from "../progress.ts";
import {
  type ReconstructionOptions,
  type ResolvedReconstruction,
  resolveReconstruction,
} from "../quantization/options.ts";
import { type ResolvedSynthesis, resolveSynthesis, type SynthesisOptions } from "../synthesis/options.ts";
import { type PresetName, presetFor, synthesisBudget } from "./presets.ts";

export interface QuantizeOptions
  extends LongWork,
    Pick<ReconstructionOptions, "weightBits" | "activationBits" | "setting" | "symmetricWeights" | "seed">,
    Pick<SynthesisOptions, "images" | "onBatch"> {
  /** Budget; default "balanced". */
  preset?: PresetName | undefined;
  /** Calibration images to use instead of synthetic ones (few-shot), normalized. */
  data?: Images | undefined;
  /** Overrides of single numbers of the preset's synthesis. */
  synthesis?: SynthesisOptions | undefined;
  /** Overrides of single numbers of the preset's reconstruction. */
  reconstruction?: ReconstructionOptions | undefined;
}

/** What is run: images that are synthesized or given, a model that is reconstructed on them, or both. */
export interface StageSettings {
  synthesis?: ResolvedSynthesis | undefined;
  reconstruction?: ResolvedReconstruction | undefined;
  data?: Images | undefined;
}

/** A run that ends with a model. */
export type QuantizeSettings = StageSettings & { reconstruction: ResolvedReconstruction } & Pick<
    LongWork,
    "onNote"
  >;

/**
 * The settings of both stages, checked: what reconstruction would refuse must not cost minutes of synthesis. Those of
 * synthesis are checked, and then left out, where images are given.
 *
 * @throws GenieError `invalid-option`; `invalid-model` where no images fit the network (`inputLayout`).
 */
export function resolveQuantize(graph: Graph, options: QuantizeOptions): QuantizeSettings {
  const preset = presetFor(options.preset ?? "balanced", graph);
  const { onProgress, onNote, signal, seed, weightBits, activationBits, setting, symmetricWeights } = options;
  const shared = { onProgress, onNote, signal, seed };
  const synthesis = resolveSynthesis({
    ...shared,
    ...synthesisBudget(preset),
    ...given({ images: options.images }),
    onBatch: options.onBatch,
    ...given(options.synthesis),
  });
  const reconstruction = resolveReconstruction({
    ...shared,
    iterations: preset.reconstructionIterations,
    weightBits,
    activationBits,
    setting,
    symmetricWeights,
    ...given(options.reconstruction),
  });
  return { synthesis: options.data ? undefined : synthesis, reconstruction, data: options.data, onNote };
}
