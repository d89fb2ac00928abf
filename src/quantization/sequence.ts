/** The blocks of a network one after the other, as one member of a data-parallel reconstruction sees them. */
import { type Collective, shareStart } from "../engine/collective.ts";
import { valuesNamed } from "../engine/feeds.ts";
import { GenieError } from "../errors.ts";
import { type Images, inputValues, type Values } from "../images.ts";
import { assignBits } from "../ir/bits.ts";
import { type Block, blockGraph } from "../ir/blocks.ts";
import type { Graph } from "../ir/graph.ts";
import { subSeed } from "../kernels/random.ts";
import { correctBiases } from "./biases.ts";
import { equalizeActivations, floatBlock, unequalized } from "./equalization.ts";
import type { ReconstructionSettings } from "./options.ts";
import {
  type BlockQuantization,
  commit,
  floatForward,
  quantizedForward,
  unquantized,
} from "./quantizedBlock.ts";
import { feedbackPays, roundBlock } from "./roundBlock.ts";
import { errorWeight, trainUnit } from "./train.ts";
import { createUnit, harden } from "./unit.ts";

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

/** All there is to know of a finished block. */
export type BlockResult = BlockReport & BlockQuantization;

/** A network to be reconstructed: plain data. */
export interface Plan {
  /** With BatchNorm folded, a bias in every layer. */
  folded: Graph;
  blocks: Block[];
  settings: ReconstructionSettings;
}

/** A block's integers and what they give. */
interface Finished {
  quantization: BlockQuantization;
  outputs: Values;
  /** Mean error of the outputs over all members' images. */
  loss: number;
}

export interface SequenceHooks {
  /** Loss of this member's share of the batch, after each iteration of block `index`. */
  onIteration(index: number, iteration: number, loss: number): void;
  /** A block that was not finished before is. */
  onBlock(index: number, result: BlockResult): void | Promise<void>;
  /** Awaited wherever the thread may do something else. */
  breathe(): Promise<void>;
}

/**
 * Quantizes block by block (GENIE-M; Jeon et al., CVPR 2023, section 4).
 *
 * Let x be a block's inputs in the float model, x_q its inputs in the model quantized so far and y its float
 * outputs for x: the block's step sizes and roundings are trained to give y from a random mix of x_q and x.
 *
 * @param images This member's share of the calibration images (`shareOf`).
 * @param finished Results of an earlier run, each at its block's index: taken as they are.
 */
export async function reconstructBlocks(
  { folded, blocks, settings }: Plan,
  images: Images,
  finished: readonly (BlockResult | undefined)[],
  collective: Collective,
  { onIteration, onBlock, breathe }: SequenceHooks,
): Promise<void> {
  const bits = assignBits(folded, settings);
  const slabs = { slabSize: settings.slabSize, afterSlab: breathe };
  const given = inputValues(folded.inputs, images);
  const equalized = settings.equalize
    ? await equalizeActivations(folded, bits, given, slabs, collective)
    : unequalized(folded);
  const model = unquantized(equalized.lifted);
  const needed = neededBehind(blocks);
  // What blocks read, in the float model and in the model quantized so far.
  let x: Values = given;
  let quantizedX: Values = given;
  for (const [index, block] of blocks.entries()) {
    const started = performance.now();
    const graph = blockGraph(model.graph, block);
    const y = await floatForward(blockGraph(equalized.float, floatBlock(block, equalized)), x, slabs);
    const quantize = (quantization: BlockQuantization): Promise<Values> =>
      quantizedForward(graph, quantization, quantizedX, slabs);
    const kept = finished[index];
    let outputs: Values;
    if (kept) {
      outputs = await quantize(kept);
      commit(kept, model);
    } else {
      const unit = await createUnit(model, block, bits, quantizedX, settings, collective);
      try {
        const initialLoss = await meanError(await quantize(harden(unit)), y, collective);
        const seed = subSeed(settings.seed, index);
        await trainUnit(unit, { x, quantizedX, y }, settings, seed, collective, async (iteration, loss) => {
          onIteration(index, iteration, loss);
          await breathe();
        });
        const finish = async (quantization: BlockQuantization): Promise<Finished> => {
          if (settings.correctBias) {
            quantization.biases = await correctBiases(graph, quantization, x, quantizedX, slabs, collective);
          }
          const outputs = await quantize(quantization);
          return { quantization, outputs, loss: await meanError(outputs, y, collective) };
        };
        let best = await finish(harden(unit));
        const takesFeedback = settings.feedback && feedbackPays(unit, settings.iterations);
        const fed = takesFeedback && (await roundBlock(unit, x, quantizedX, settings, slabs, collective));
        if (fed) {
          const other = await finish(fed);
          // A loss that is no number loses against every other.
          if (!(best.loss <= other.loss)) best = other;
        }
        const { quantization, loss } = best;
        requireFinite(block, best);
        outputs = best.outputs;
        commit(quantization, model);
        const report: BlockReport = {
          name: block.name,
          layers: block.layers,
          initialLoss,
          loss,
          seconds: (performance.now() - started) / 1000,
        };
        await onBlock(index, { ...report, ...quantization });
      } finally {
        unit.dispose();
      }
    }
    x = merge(x, y, needed[index]!);
    quantizedX = merge(quantizedX, outputs, needed[index]!);
  }
}

/** How many members can share the images and the batches: each needs one of either. */
export function usefulMembers(workers: number, images: number, batchSize: number): number {
  return Math.max(1, Math.min(workers, images, batchSize));
}

/** Where member `rank`'s share of the calibration images begins and ends. */
export function imageRange(count: number, rank: number, size: number): [number, number] {
  return [shareStart(count, rank, size), shareStart(count, rank + 1, size)];
}

/** What is not finite here would be not finite in the file: no path to it may pass. */
function requireFinite(
  { name }: Block,
  { quantization: { weights, activations, biases }, loss }: Finished,
): void {
  const numbers: [string, ArrayLike<number>][] = [
    ["its error", [loss]],
    ...biases.map(([constant, { data }]): [string, Float32Array] => [`the bias "${constant}"`, data]),
    ...[...weights, ...activations].map(([value, quantized]): [string, Float32Array] => [
      `the step of "${value}"`,
      ("params" in quantized ? quantized.params : quantized).scale,
    ]),
  ];
  for (const [what, values] of numbers) {
    const bad = Array.from(values).find((value) => !Number.isFinite(value));
    if (bad === undefined) continue;
    throw new GenieError(
      "invalid-model",
      `block "${name}" comes out with ${what} at ${bad}: its weights or biases are too large for float32`,
    );
  }
}

/** The values that blocks behind each block read. */
function neededBehind(blocks: readonly Block[]): ReadonlySet<string>[] {
  let needed: ReadonlySet<string> = new Set();
  return blocks
    .toReversed()
    .map(({ inputs }) => {
      const behind = needed;
      needed = new Set([...needed, ...inputs]);
      return behind;
    })
    .reverse();
}

function merge(before: Values, written: Values, needed: ReadonlySet<string>): Values {
  return new Map([...before, ...written].filter(([name]) => needed.has(name)));
}

/** ‖a − b‖² summed over channels and outputs, averaged over the rest and over all members. */
async function meanError(a: Values, b: Values, collective: Collective): Promise<number> {
  const mean = Float32Array.of(0);
  for (const [name, { shape, data }] of a) {
    const other = valuesNamed(b, name).data;
    let sum = 0;
    for (let i = 0; i < data.length; i++) sum += (data[i]! - other[i]!) ** 2;
    // Shares of equal weight: they differ by an image at most.
    mean[0]! += (sum * errorWeight(shape)) / collective.size;
  }
  await collective.sum([mean]);
  return mean[0]!;
}
