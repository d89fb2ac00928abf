/** GENIE-M over a whole network: block after block, each trained to give the float model's output. */
import { alone } from "../engine/collective.ts";
import { valuesNamed } from "../engine/feeds.ts";
import { GenieError } from "../errors.ts";
import { countOf, type Images, inputValues } from "../images.ts";
import { findBlocks } from "../ir/blocks.ts";
import { foldBatchNorm } from "../ir/foldBatchNorm.ts";
import type { Graph, QuantizedGraph } from "../ir/graph.ts";
import { ownBiases } from "../ir/ownBiases.ts";
import { upToScores } from "../ir/scores.ts";
import { initializeKernels } from "../kernels/heap.ts";
import { createBreather } from "../progress.ts";
import { plainSettings, type ResolvedReconstruction } from "./options.ts";
import { commit, unquantized } from "./quantizedBlock.ts";
import {
  type BlockReport,
  type BlockResult,
  type Plan,
  reconstructBlocks,
  type SequenceHooks,
} from "./sequence.ts";

export interface Reconstruction {
  model: QuantizedGraph;
  blocks: BlockReport[];
}

/** Who reconstructs: the calling thread, or a pool of workers. */
export type Reconstructor = (
  plan: Plan,
  images: Images,
  finished: readonly (BlockResult | undefined)[],
  hooks: Pick<SequenceHooks, "onIteration" | "onBlock">,
) => Promise<void>;

/** The calling thread, which lets timers and signals through between iterations. */
export function reconstructHere(signal: AbortSignal | undefined): Reconstructor {
  const breathe = createBreather(signal);
  return async (plan, images, finished, hooks) => {
    await initializeKernels();
    await reconstructBlocks(plan, images, finished, alone, { ...hooks, breathe });
  };
}

/** Finished blocks kept for a run that goes on: a checkpoint. */
export interface BlockStore {
  block(index: number): Promise<BlockResult | undefined>;
  saveBlock(index: number, result: BlockResult): Promise<void>;
}

/**
 * Quantizes `graph` block by block (GENIE-M; Jeon et al., CVPR 2023, section 4): see `reconstructBlocks`.
 *
 * @param graph A float model; BatchNorm is folded here.
 * @param images Calibration images [N, H, W, C], synthetic or real, normalized as the model expects.
 * @param store Blocks that are in it are taken from it; the others go into it.
 * @throws GenieError `invalid-option`, `invalid-data`, `invalid-model`, `aborted`.
 */
export async function reconstruct(
  graph: Graph,
  images: Images,
  resolved: ResolvedReconstruction,
  reconstructor: Reconstructor,
  store?: BlockStore,
): Promise<Reconstruction> {
  const settings = plainSettings(resolved);
  requireFitting(images, graph);
  const folded = ownBiases(foldBatchNorm(graph));
  const blocks = findBlocks(upToScores(folded));
  const results: (BlockResult | undefined)[] = [];
  for (let index = 0; index < blocks.length; index++) results.push(await store?.block(index));
  const hooks: Parameters<Reconstructor>[3] = {
    onIteration: (index, iteration, loss) =>
      resolved.onProgress?.({
        stage: "reconstruction",
        block: blocks[index]!.name,
        index,
        blocks: blocks.length,
        iteration: iteration + 1,
        iterations: settings.iterations,
        loss,
        fraction: (index + (iteration + 1) / settings.iterations) / blocks.length,
      }),
    onBlock: async (index, result) => {
      results[index] = result;
      await store?.saveBlock(index, result);
    },
  };
  if (results.includes(undefined)) {
    await reconstructor({ folded, blocks, settings }, images, [...results], hooks);
  }
  const model = unquantized(folded);
  const finished = results.filter((result) => result !== undefined);
  for (const result of finished) commit(result, model);
  return {
    model,
    blocks: finished.map(({ weights, activations, biases, ...report }) => report),
  };
}

/** Each input has calibration values of its shape, as many of each. */
function requireFitting(images: Images, graph: Graph): void {
  const values = inputValues(graph.inputs, images);
  const count = countOf(values);
  if (count < 1) throw new GenieError("invalid-data", "there are no calibration images");
  for (const { name, shape } of graph.inputs) {
    const given = valuesNamed(values, name).shape;
    const fits =
      given.length === shape.length && shape.every((size, axis) => axis === 0 || given[axis] === size);
    if (fits && given[0] === count) continue;
    throw new GenieError(
      "invalid-data",
      `calibration images for "${name}" have shape [${given}], but "${graph.name}" takes [${[count, ...shape.slice(1)]}]`,
    );
  }
}
