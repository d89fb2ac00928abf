/** The checkpoint of a run: where one is wanted, opened under the run's identity. */
import { type Checkpoint, openCheckpoint } from "./checkpoint/checkpoint.ts";
import { identifyRun, type RunSettings } from "./checkpoint/fingerprint.ts";
import type { CheckpointStore } from "./checkpoint/store.ts";
import type { Images } from "./images.ts";
import type { Graph } from "./ir/graph.ts";
import type { Binary } from "./kernels/binary.ts";
import {
  plainSettings as plainReconstruction,
  type ReconstructionOptions,
  resolveReconstruction,
} from "./quantization/options.ts";
import { usefulMembers } from "./quantization/sequence.ts";
import {
  plainSettings as plainSynthesis,
  resolveSynthesis,
  type SynthesisOptions,
} from "./synthesis/options.ts";

/** Who runs: what of it decides the bits. */
export interface Runner {
  workers: number;
  binary: Binary;
}

/** Images do not depend on the number of workers: another one may go on. */
export function resumeSynthesis(
  store: CheckpointStore | undefined,
  graph: Graph,
  options: SynthesisOptions,
  { binary }: Runner,
): Promise<Checkpoint | undefined> {
  return open(store, graph, { synthesis: plainSynthesis(resolveSynthesis(options)), binary, workers: 1 });
}

export function resumeReconstruction(
  store: CheckpointStore | undefined,
  graph: Graph,
  images: Images,
  options: ReconstructionOptions,
  { workers, binary }: Runner,
): Promise<Checkpoint | undefined> {
  const reconstruction = plainReconstruction(resolveReconstruction(options));
  const members = usefulMembers(workers, images.shape[0]!, reconstruction.batchSize);
  return open(store, graph, { reconstruction, data: images, binary, workers: members });
}

/** Both stages in one checkpoint. */
export function resumeQuantization(
  store: CheckpointStore | undefined,
  graph: Graph,
  synthesisOptions: SynthesisOptions,
  reconstructionOptions: ReconstructionOptions,
  { workers, binary }: Runner,
): Promise<Checkpoint | undefined> {
  const synthesis = plainSynthesis(resolveSynthesis(synthesisOptions));
  const reconstruction = plainReconstruction(resolveReconstruction(reconstructionOptions));
  const members = usefulMembers(workers, synthesis.images, reconstruction.batchSize);
  return open(store, graph, { synthesis, reconstruction, binary, workers: members });
}

async function open(
  store: CheckpointStore | undefined,
  graph: Graph,
  settings: RunSettings,
): Promise<Checkpoint | undefined> {
  return store && openCheckpoint(store, await identifyRun(graph, settings));
}
