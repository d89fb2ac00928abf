/** One unit of reconstruction: a block of the network with its weight and activation quantizers. */
import { type Tensor, tidy } from "@tensorflow/tfjs-core";
import type { Collective } from "../engine/collective.ts";
import { disposeAll, slabs, uploadConstants } from "../engine/feeds.ts";
import { trainableOps } from "../engine/ops.ts";
import { run, type Tap } from "../engine/run.ts";
import { GenieError } from "../errors.ts";
import { countOf, type Values } from "../images.ts";
import type { BitAssignment } from "../ir/bits.ts";
import { type Block, blockGraph } from "../ir/blocks.ts";
import { type Graph, type QuantizedGraph, quantRange } from "../ir/graph.ts";
import { codeFactor } from "../ir/integerWeights.ts";
import { isLayer, outputChannels } from "../ir/rewrite.ts";
import { quantizeDequantize } from "../kernels/fakequant.ts";
import { searchActivationScale } from "../kernels/scalesearch.ts";
import { type ActivationQuantizer, type ActivationRange, createActivationQuantizer } from "./activations.ts";
import type { ReconstructionSettings } from "./options.ts";
import type { BlockQuantization } from "./quantizedBlock.ts";
import { limitSteps } from "./stepLimits.ts";
import { createWeightQuantizer, type WeightQuantizer } from "./weights.ts";

/** Images that the first activation step sizes are searched on. */
const CALIBRATION_IMAGES = 64;

/** Weights of as many bits have steps to spare for a symmetric grid. */
const WIDE_BITS = 8;

export interface Unit {
  graph: Graph;
  /** By the name of the filter constant. */
  weights: ReadonlyMap<string, WeightQuantizer>;
  /** By the name of the activation. */
  activations: ReadonlyMap<string, ActivationQuantizer>;
  /** Every constant of the block as a float tensor. */
  constants: ReadonlyMap<string, Tensor>;
  dispose(): void;
}

/**
 * The block with a quantizer for each of its filters and for each activation that its layers read.
 *
 * @param quantizedX The block's inputs in the model quantized so far: the first step sizes are searched on it,
 *   each on what reaches its activation through the quantizers before it.
 * @param collective The first member's step sizes are every member's.
 */
export async function createUnit(
  model: QuantizedGraph,
  block: Block,
  bits: BitAssignment,
  quantizedX: Values,
  { symmetricWeights, slabSize }: Pick<ReconstructionSettings, "symmetricWeights" | "slabSize">,
  collective: Collective,
): Promise<Unit> {
  const graph = blockGraph(model.graph, block);
  const layers = graph.nodes.filter(isLayer);
  const constants = uploadConstants(graph);
  const widths = new Map(
    layers
      .map((layer) => layer.inputs[0]!)
      .filter((name) => bits.activations.has(name))
      .map((name) => [name, bits.activations.get(name)!]),
  );
  const found =
    collective.rank === 0 ? searchRanges(graph, constants, quantizedX, widths, slabSize) : new Map();
  const activations = new Map<string, ActivationQuantizer>();
  for (const [name, width] of widths) {
    activations.set(name, createActivationQuantizer(width, await shareRange(found.get(name), collective)));
  }
  const weights = new Map<string, WeightQuantizer>();
  for (const layer of layers) {
    const [x, name, bias] = layer.inputs as [string, string, string];
    // Two layers may share a filter; in a later block it is then quantized already.
    if (weights.has(name) || model.weights.has(name)) continue;
    const filter = graph.constants.get(name)!;
    const width = bits.weights.get(layer.name)!;
    const input = activations.get(x);
    const limit = (steps: Float32Array): Float32Array => {
      if (!input) return steps;
      const unit = input.step.numbers()[0]! / codeFactor(width);
      return limitSteps(steps, filter, graph.constants.get(bias)!.data, unit);
    };
    const symmetric = symmetricWeights === "wide" ? width === WIDE_BITS : symmetricWeights;
    const channels = outputChannels(layer, filter);
    const create = () => createWeightQuantizer(filter, channels, width, symmetric, limit);
    weights.set(name, searching(name, create));
  }
  return {
    graph,
    weights,
    activations,
    constants,
    dispose: () => {
      disposeAll(constants.values());
      for (const quantizer of [...weights.values(), ...activations.values()]) quantizer.dispose();
    },
  };
}

/** The clip-ratio search for each activation; the grid is unsigned where the sample is never negative. */
function searchRanges(
  graph: Graph,
  constants: ReadonlyMap<string, Tensor>,
  quantizedX: Values,
  widths: ReadonlyMap<string, number>,
  slabSize: number,
): Map<string, ActivationRange> {
  const ranges = new Map<string, ActivationRange>();
  const searchThenQuantize =
    (name: string, bits: number): Tap =>
    (value) => {
      const range = searching(name, () => searchActivationScale(value, bits));
      ranges.set(name, range);
      const { qmin, qmax } = quantRange({ bits, signed: range.signed });
      return quantizeDequantize(value, range.step, 0, qmin, qmax);
    };
  tidy(() => {
    const sample = slabs(graph, quantizedX, 0, Math.min(CALIBRATION_IMAGES, slabSize, countOf(quantizedX)));
    const feeds = new Map([...constants, ...sample]);
    run(graph, feeds, {
      taps: new Map([...widths].map(([name, bits]) => [name, searchThenQuantize(name, bits)])),
    });
  });
  return ranges;
}

/** What a search finds; where it finds no numbers, the error says whose they are. */
function searching<Found>(value: string, search: () => Found): Found {
  try {
    return search();
  } catch (error) {
    if (!(error instanceof GenieError)) throw error;
    throw new GenieError(error.code, `"${value}" cannot be quantized: ${error.message}`, { cause: error });
  }
}

/** The first member's range, at every member. */
async function shareRange(
  found: ActivationRange | undefined,
  collective: Collective,
): Promise<ActivationRange> {
  const values = Float32Array.of(found?.step ?? 0, found?.signed ? 1 : 0);
  await collective.sum([values]);
  return { step: values[0]!, signed: values[1] === 1 };
}

/** The block's outputs for a training batch, on the tape: soft weights, and what `taps` makes of each quantized activation. */
export function trainingForward(
  unit: Unit,
  inputs: ReadonlyMap<string, Tensor>,
  softWeights: ReadonlyMap<string, Tensor>,
  taps: ReadonlyMap<string, Tap>,
): Map<string, Tensor> {
  const feeds = new Map([...unit.constants, ...softWeights, ...inputs]);
  return run(unit.graph, feeds, { ops: trainableOps, taps });
}

/** The unit's integer weights and activation parameters as they stand, with its biases as they were. */
export function harden(unit: Unit): BlockQuantization {
  return {
    weights: [...unit.weights].map(([name, quantizer]) => [name, quantizer.harden()]),
    activations: [...unit.activations].map(([name, quantizer]) => [name, quantizer.params()]),
    biases: unit.graph.nodes
      .filter(isLayer)
      .map(({ inputs: [, , name] }) => [name!, unit.graph.constants.get(name!)!]),
  };
}
