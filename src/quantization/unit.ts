/** One unit of reconstruction: a block of the network with its weight and activation quantizers. */
import { type Tensor, tidy } from "@tensorflow/tfjs-core";
import { disposeAll, runAll, slab, uploadConstants } from "../engine/feeds.ts";
import { trainableOps } from "../engine/ops.ts";
import { run, type Tap } from "../engine/run.ts";
import type { Images } from "../images.ts";
import type { BitAssignment } from "../ir/bits.ts";
import { type Block, blockGraph } from "../ir/blocks.ts";
import type { Graph, QuantizedGraph } from "../ir/graph.ts";
import { dequantize } from "../ir/quantized.ts";
import { isLayer } from "../ir/rewrite.ts";
import { type ActivationQuantizer, createActivationQuantizer } from "./activations.ts";
import { createWeightQuantizer, outputChannels, type WeightQuantizer } from "./weights.ts";

/** Images that the first activation step sizes are searched on. */
const CALIBRATION_IMAGES = 64;

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
 * @param quantizedX The block's input in the model quantized so far: the first step sizes are searched on it,
 *   each on what reaches its activation through the quantizers before it.
 */
export function createUnit(
  model: QuantizedGraph,
  block: Block,
  bits: BitAssignment,
  quantizedX: Images,
  symmetricWeights: boolean,
): Unit {
  const graph = blockGraph(model.graph, block);
  const layers = graph.nodes.filter(isLayer);
  const weights = new Map<string, WeightQuantizer>();
  for (const layer of layers) {
    const name = layer.inputs[1]!;
    // Two layers may share a filter; in a later block it is then quantized already.
    if (weights.has(name) || model.weights.has(name)) continue;
    const filter = graph.constants.get(name)!;
    const channels = outputChannels(layer, filter);
    weights.set(
      name,
      createWeightQuantizer(filter, channels, bits.weights.get(layer.name)!, symmetricWeights),
    );
  }
  const constants = uploadConstants(graph);
  const activations = new Map<string, ActivationQuantizer>();
  const quantized = new Set(
    layers.map((layer) => layer.inputs[0]!).filter((name) => bits.activations.has(name)),
  );
  const create =
    (name: string): Tap =>
    (value) => {
      const quantizer = createActivationQuantizer(value, bits.activations.get(name)!);
      activations.set(name, quantizer);
      return quantizer.apply(value);
    };
  tidy(() => {
    const sample = slab(quantizedX, 0, Math.min(CALIBRATION_IMAGES, quantizedX.shape[0]!));
    const feeds = new Map([...constants, [graph.inputs[0]!.name, sample]]);
    run(graph, feeds, { taps: new Map([...quantized].map((name) => [name, create(name)])) });
  });
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

/** The block's float output for float inputs x. */
export function teach(unit: Unit, x: Images, afterBatch: () => Promise<void>): Promise<Images> {
  return runAll(unit.graph, unit.constants, x, { afterBatch });
}

/** The block's output with the rounding as it stands now made hard and every activation quantized. */
export async function forward(unit: Unit, x: Images, afterBatch: () => Promise<void>): Promise<Images> {
  const constants = new Map(unit.constants);
  const hard = [...unit.weights].map(([name, quantizer]) => [name, quantizer.hard()] as const);
  for (const [name, weights] of hard) constants.set(name, weights);
  try {
    const taps = new Map([...unit.activations].map(([name, quantizer]) => [name, quantizer.apply]));
    return await runAll(unit.graph, constants, x, { taps, afterBatch });
  } finally {
    disposeAll(hard.map(([, weights]) => weights));
  }
}

/** The block's output for a training batch, on the tape: soft weights, and what `taps` makes of each quantized activation. */
export function trainingForward(
  unit: Unit,
  input: Tensor,
  softWeights: ReadonlyMap<string, Tensor>,
  taps: ReadonlyMap<string, Tap>,
): Tensor {
  const feeds = new Map([...unit.constants, ...softWeights, [unit.graph.inputs[0]!.name, input]]);
  return run(unit.graph, feeds, { ops: trainableOps, taps }).get(unit.graph.outputs[0]!)!;
}

/** Writes the unit's integer weights and activation parameters into the model. */
export function commit(unit: Unit, model: QuantizedGraph): void {
  for (const [name, quantizer] of unit.weights) {
    const quantized = quantizer.harden();
    model.weights.set(name, quantized);
    model.graph.constants.set(name, { shape: quantized.shape, data: dequantize(quantized) });
  }
  for (const [name, quantizer] of unit.activations) model.activations.set(name, quantizer.params());
}
