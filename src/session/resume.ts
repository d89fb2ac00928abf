/** The checkpoint of a run: where one is wanted, opened under the run's identity. */
import { type Checkpoint, openCheckpoint } from "../checkpoint/checkpoint.ts";
import { identifyRun } from "../checkpoint/fingerprint.ts";
import type { CheckpointStore } from "../checkpoint/store.ts";
import type { Graph } from "../ir/graph.ts";
import type { Arithmetic } from "../kernels/binary.ts";
import { plainSettings as plainReconstruction } from "../quantization/options.ts";
import { usefulMembers } from "../quantization/sequence.ts";
import { plainSettings as plainSynthesis } from "../synthesis/options.ts";
import type { StageSettings } from "./settings.ts";

/** Who runs: what of it decides the bits. */
export interface Runner {
  workers: number;
  arithmetic: Arithmetic;
}

/** Release it when the work is done. Images do not depend on the number of workers: another one may go on with them alone. */
export async function resume(
  store: CheckpointStore | undefined,
  graph: Graph,
  run: StageSettings,
  { workers, arithmetic }: Runner,
  onNote?: (note: string) => void,
): Promise<Checkpoint | undefined> {
  if (!store) return undefined;
  const synthesis = run.synthesis && plainSynthesis(run.synthesis);
  const reconstruction = run.reconstruction && plainReconstruction(run.reconstruction);
  const images = run.data?.shape[0] ?? synthesis?.images ?? 1;
  const members = reconstruction ? usefulMembers(workers, images, reconstruction.batchSize) : 1;
  const settings = { synthesis, reconstruction, data: run.data, arithmetic, workers: members };
  return openCheckpoint(store, await identifyRun(graph, settings), onNote);
}
