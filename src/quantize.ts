/** The whole method in one call: images from statistics, then a quantized model from images. */
import type { Images } from "./images.ts";
import type { Graph, QuantizedGraph } from "./ir/graph.ts";
import { type PresetName, presets } from "./presets.ts";
import type { LongWork } from "./progress.ts";
import { type ReconstructionOptions, resolveReconstruction } from "./quantization/options.ts";
import { reconstruct } from "./quantization/reconstruct.ts";
import type { BlockReport } from "./quantization/sequence.ts";
import { synthesize } from "./synthesis/distill.ts";
import type { SynthesisOptions } from "./synthesis/options.ts";

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

export interface Quantization {
  model: QuantizedGraph;
  /** The images that calibrated it: synthetic, or the ones given. */
  images: Images;
  blocks: BlockReport[];
  seconds: { synthesis: number; reconstruction: number };
}

/**
 * Zero-shot quantization (GENIE; Jeon et al., CVPR 2023): synthesizes calibration images from the model's
 * BatchNorm statistics, then reconstructs the quantized model block by block.
 *
 * @param graph A float model with its BatchNorm nodes.
 * @throws GenieError `no-batch-norm` (without `data`), `invalid-option`, `invalid-data`, `aborted`.
 */
export async function quantize(graph: Graph, options: QuantizeOptions = {}): Promise<Quantization> {
  const preset = presets[options.preset ?? "balanced"];
  const { onProgress, signal, seed, weightBits, activationBits, setting, symmetricWeights } = options;
  const shared = { onProgress, signal, seed };
  const reconstruction: ReconstructionOptions = {
    ...shared,
    iterations: preset.reconstructionIterations,
    weightBits,
    activationBits,
    setting,
    symmetricWeights,
    ...options.reconstruction,
  };
  // What reconstruction would refuse is refused before synthesis spends its minutes.
  resolveReconstruction(reconstruction);
  const started = performance.now();
  const images =
    options.data ??
    (await synthesize(graph, {
      ...shared,
      images: options.images ?? preset.images,
      iterations: preset.synthesisIterations,
      onBatch: options.onBatch,
      ...options.synthesis,
    }));
  const synthesized = performance.now();
  const { model, blocks } = await reconstruct(graph, images, reconstruction);
  return {
    model,
    images,
    blocks,
    seconds: {
      synthesis: (synthesized - started) / 1000,
      reconstruction: (performance.now() - synthesized) / 1000,
    },
  };
}
