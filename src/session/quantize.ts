/** The whole method in one call: images from statistics, then a quantized model from images. */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { CheckpointStore } from "../checkpoint/store.ts";
import type { Images } from "../images.ts";
import type { Graph, QuantizedGraph } from "../ir/graph.ts";
import type { LongWork } from "../progress.ts";
import { type ReconstructionOptions, resolveReconstruction } from "../quantization/options.ts";
import type { BlockStore, Reconstruction } from "../quantization/reconstruct.ts";
import type { BlockReport } from "../quantization/sequence.ts";
import type { BatchStore } from "../synthesis/distill.ts";
import { resolveSynthesis, type SynthesisOptions } from "../synthesis/options.ts";
import { type Fitted, fitReconstruction, fitSynthesis, type Resources } from "./fit.ts";
import { type PresetName, presetFor } from "./presets.ts";
import { type Runner, resume } from "./resume.ts";

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

/** What does the two stages of the method. */
export interface Stages {
  /** @param workers So many at once at most. */
  synthesize(graph: Graph, options: SynthesisOptions, store?: BatchStore, workers?: number): Promise<Images>;
  reconstruct(
    graph: Graph,
    images: Images,
    options: ReconstructionOptions,
    store?: BlockStore,
    workers?: number,
  ): Promise<Reconstruction>;
}

/** The images, then the model. @throws GenieError like the stages. */
export async function quantizeBy(
  stages: Stages,
  graph: Graph,
  options: QuantizeOptions,
  runner: Runner & Resources,
  store: CheckpointStore | undefined,
): Promise<Quantization> {
  const { data } = options;
  const asked = stageOptions(graph, options);
  const synthesis = data ? undefined : fitSynthesis(graph, asked.synthesis, runner);
  const reconstruction = fitReconstruction(
    graph,
    data ?? asked.synthesis.images,
    asked.reconstruction,
    runner,
  );
  const members = { ...runner, workers: reconstruction.workers };
  const run = { synthesis: synthesis?.options, reconstruction: reconstruction.options, data };
  const checkpoint = await resume(store, graph, run, members, options.onNote);
  try {
    return await runStages(stages, graph, { synthesis, reconstruction, data }, checkpoint);
  } finally {
    await checkpoint?.release();
  }
}

/** What is asked of the stages, made to fit. */
interface FittedStages {
  /** Absent where images are given. */
  synthesis: Fitted<SynthesisOptions> | undefined;
  reconstruction: Fitted<ReconstructionOptions>;
  data: Images | undefined;
}

async function runStages(
  stages: Stages,
  graph: Graph,
  { synthesis, reconstruction, data }: FittedStages,
  checkpoint: Checkpoint | undefined,
): Promise<Quantization> {
  const started = performance.now();
  const images = synthesis
    ? await stages.synthesize(graph, synthesis.options, checkpoint, synthesis.workers)
    : data!;
  const synthesized = performance.now();
  const { model, blocks } = await stages.reconstruct(
    graph,
    images,
    reconstruction.options,
    checkpoint,
    reconstruction.workers,
  );
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

/** The options of both stages, checked: what reconstruction would refuse must not cost minutes of synthesis. */
function stageOptions(graph: Graph, options: QuantizeOptions) {
  const preset = presetFor(options.preset ?? "balanced", graph);
  const { onProgress, onNote, signal, seed, weightBits, activationBits, setting, symmetricWeights } = options;
  const shared = { onProgress, onNote, signal, seed };
  return {
    synthesis: resolveSynthesis({
      ...shared,
      images: options.images ?? preset.images,
      batchSize: preset.batchSize,
      iterations: preset.synthesisIterations,
      onBatch: options.onBatch,
      ...options.synthesis,
    }),
    reconstruction: resolveReconstruction({
      ...shared,
      iterations: preset.reconstructionIterations,
      weightBits,
      activationBits,
      setting,
      symmetricWeights,
      ...options.reconstruction,
    }),
  };
}
