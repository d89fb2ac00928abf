/** The whole method in one call: images from statistics, then a quantized model from images. */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { CheckpointStore } from "../checkpoint/store.ts";
import type { Images } from "../images.ts";
import type { Graph, QuantizedGraph } from "../ir/graph.ts";
import type { ResolvedReconstruction } from "../quantization/options.ts";
import type { BlockStore, Reconstruction } from "../quantization/reconstruct.ts";
import type { BlockReport } from "../quantization/sequence.ts";
import type { BatchStore } from "../synthesis/distill.ts";
import type { ResolvedSynthesis } from "../synthesis/options.ts";
import { type Fitted, fitReconstruction, fitSynthesis, type Resources } from "./fit.ts";
import { type Runner, resume } from "./resume.ts";
import type { QuantizeSettings } from "./settings.ts";

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
  synthesize(
    graph: Graph,
    settings: ResolvedSynthesis,
    store?: BatchStore,
    workers?: number,
  ): Promise<Images>;
  reconstruct(
    graph: Graph,
    images: Images,
    settings: ResolvedReconstruction,
    store?: BlockStore,
    workers?: number,
  ): Promise<Reconstruction>;
}

/** The images, then the model. @throws GenieError like the stages. */
export async function quantizeBy(
  stages: Stages,
  graph: Graph,
  { synthesis, reconstruction, data, onNote }: QuantizeSettings,
  runner: Runner & Resources,
  store: CheckpointStore | undefined,
): Promise<Quantization> {
  const fitted: FittedStages = {
    synthesis: synthesis && fitSynthesis(graph, synthesis, runner),
    reconstruction: fitReconstruction(graph, data ?? synthesis!.images, reconstruction, runner),
    data,
  };
  const { workers } = fitted.reconstruction;
  const run = { synthesis: fitted.synthesis?.settings, reconstruction: fitted.reconstruction.settings, data };
  const checkpoint = await resume(store, graph, run, { ...runner, workers }, onNote);
  try {
    return await runStages(stages, graph, fitted, checkpoint);
  } finally {
    await checkpoint?.release();
  }
}

/** The settings of the stages, made to fit. */
interface FittedStages {
  /** Absent where images are given. */
  synthesis: Fitted<ResolvedSynthesis> | undefined;
  reconstruction: Fitted<ResolvedReconstruction>;
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
    ? await stages.synthesize(graph, synthesis.settings, checkpoint, synthesis.workers)
    : data!;
  const synthesized = performance.now();
  const { model, blocks } = await stages.reconstruct(
    graph,
    images,
    reconstruction.settings,
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
