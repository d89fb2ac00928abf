/** GENIE-M over a whole network: block after block, each trained to give the float model's output. */
import { GenieError } from "../errors.ts";
import type { Images } from "../images.ts";
import { assignBits } from "../ir/bits.ts";
import { findBlocks } from "../ir/blocks.ts";
import { foldBatchNorm } from "../ir/foldBatchNorm.ts";
import type { Graph, QuantizedGraph } from "../ir/graph.ts";
import { initializeKernels } from "../kernels/heap.ts";
import { createBreather } from "../progress.ts";
import { type ReconstructionOptions, resolveReconstruction } from "./options.ts";
import { errorWeight, trainUnit } from "./train.ts";
import { commit, createUnit, forward, teach } from "./unit.ts";

/** How one block came out. */
export interface BlockReport {
  name: string;
  /** Layers whose weights were quantized here. */
  layers: string[];
  /** Error over all images with rounding to nearest, before training: ‖ŷ − y‖² over C, mean over N, H, W. */
  initialLoss: number;
  /** The same after training, with the learned rounding. */
  loss: number;
  seconds: number;
}

export interface Reconstruction {
  model: QuantizedGraph;
  blocks: BlockReport[];
}

/**
 * Quantizes `graph` block by block (GENIE-M; Jeon et al., CVPR 2023, section 4).
 *
 * Let x be a block's input in the float model, x_q its input in the model quantized so far and y its float
 * output for x: the block's step sizes and roundings are trained to give y from a random mix of x_q and x.
 *
 * @param graph A float model; BatchNorm is folded here.
 * @param images Calibration images [N, H, W, C], synthetic or real, normalized as the model expects.
 * @throws GenieError `invalid-option`, `invalid-data`, `invalid-model`, `aborted`.
 */
export async function reconstruct(
  graph: Graph,
  images: Images,
  options: ReconstructionOptions = {},
): Promise<Reconstruction> {
  const settings = resolveReconstruction(options);
  requireFitting(images, graph);
  await initializeKernels();
  const folded = foldBatchNorm(graph);
  const bits = assignBits(folded, settings);
  const blocks = findBlocks(withoutSoftmax(folded));
  const breathe = createBreather(settings.signal);
  const model: QuantizedGraph = {
    graph: { ...folded, constants: new Map(folded.constants) },
    weights: new Map(),
    activations: new Map(),
  };
  const reports: BlockReport[] = [];
  // The block's input in the float model, and in the model quantized so far.
  let x = images;
  let quantizedX = images;
  for (const [index, block] of blocks.entries()) {
    const started = performance.now();
    const unit = createUnit(model, block, bits, quantizedX, settings.symmetricWeights);
    try {
      const y = await teach(unit, x, breathe);
      const initialLoss = meanError(await forward(unit, quantizedX, breathe), y);
      const seed = (settings.seed + Math.imul(index + 1, 0x9e3779b1)) >>> 0;
      await trainUnit(unit, { x, quantizedX, y }, settings, seed, async (iteration, loss) => {
        settings.onProgress?.({
          stage: "reconstruction",
          block: block.name,
          index,
          blocks: blocks.length,
          iteration: iteration + 1,
          iterations: settings.iterations,
          loss,
          fraction: (index + (iteration + 1) / settings.iterations) / blocks.length,
        });
        await breathe();
      });
      const output = await forward(unit, quantizedX, breathe);
      commit(unit, model);
      reports.push({
        name: block.name,
        layers: block.layers,
        initialLoss,
        loss: meanError(output, y),
        seconds: (performance.now() - started) / 1000,
      });
      x = y;
      quantizedX = output;
    } finally {
      unit.dispose();
    }
  }
  return { model, blocks: reports };
}

/**
 * The network up to its scores: a block is trained to give scores and not probabilities, whose differences vanish
 * where the softmax saturates.
 */
function withoutSoftmax(graph: Graph): Graph {
  const last = graph.nodes.at(-1);
  if (last?.op !== "softmax" || last.output !== graph.outputs[0]) return graph;
  return { ...graph, nodes: graph.nodes.slice(0, -1), outputs: [last.inputs[0]!] };
}

/** ‖a − b‖² summed over channels, averaged over the rest. */
function meanError(a: Images, b: Images): number {
  let sum = 0;
  for (let i = 0; i < a.data.length; i++) sum += (a.data[i]! - b.data[i]!) ** 2;
  return sum * errorWeight(a.shape);
}

function requireFitting(images: Images, graph: Graph): void {
  const expected = graph.inputs[0]?.shape ?? [];
  const fits =
    images.shape.length === expected.length &&
    expected.every((size, axis) => axis === 0 || images.shape[axis] === size);
  if (graph.inputs.length !== 1 || graph.outputs.length !== 1) {
    throw new GenieError(
      "invalid-model",
      `"${graph.name}" has ${graph.inputs.length} inputs and ${graph.outputs.length} outputs; ` +
        "networks with one of each can be reconstructed",
    );
  }
  if (!fits) {
    throw new GenieError(
      "invalid-data",
      `calibration images have shape [${images.shape}], but "${graph.name}" takes [${["N", ...expected.slice(1)]}]`,
    );
  }
  if (images.shape[0]! < 1) throw new GenieError("invalid-data", "there are no calibration images");
}
