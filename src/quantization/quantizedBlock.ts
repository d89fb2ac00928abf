/** A finished block: its integers, and what it gives with them. Plain data, which can be posted and kept. */
import { disposeAll, runAll, uploadConstants } from "../engine/feeds.ts";
import type { Tap } from "../engine/run.ts";
import type { Images } from "../images.ts";
import type { Graph, QuantizedGraph, QuantizedTensor, QuantParams } from "../ir/graph.ts";
import { quantRange } from "../ir/graph.ts";
import { dequantize } from "../ir/quantized.ts";
import { quantizeDequantize } from "../kernels/fakequant.ts";

export interface BlockQuantization {
  /** By the name of the filter constant. */
  weights: [string, QuantizedTensor][];
  /** By the name of the activation. */
  activations: [string, QuantParams][];
}

/** Images are run a slab at a time, each awaited. */
export interface Slabs {
  slabSize: number;
  afterSlab: () => Promise<void>;
}

/** Writes a block's integers into the model. */
export function commit({ weights, activations }: BlockQuantization, model: QuantizedGraph): void {
  for (const [name, quantized] of weights) {
    model.weights.set(name, quantized);
    model.graph.constants.set(name, { shape: quantized.shape, data: dequantize(quantized) });
  }
  for (const [name, params] of activations) model.activations.set(name, params);
}

/** The output of block `graph` for float inputs x [N, …], computed a slab of images at a time. */
export async function floatForward(graph: Graph, x: Images, slabs: Slabs): Promise<Images> {
  return forward(graph, x, new Map(), slabs);
}

/** The same with its weights and activations quantized. */
export async function quantizedForward(
  graph: Graph,
  { weights, activations }: BlockQuantization,
  x: Images,
  slabs: Slabs,
): Promise<Images> {
  const constants = new Map(graph.constants);
  for (const [name, quantized] of weights) {
    constants.set(name, { shape: quantized.shape, data: dequantize(quantized) });
  }
  const taps = activations.map(([name, params]): [string, Tap] => {
    const { qmin, qmax } = quantRange(params);
    return [name, (value) => quantizeDequantize(value, params.scale[0]!, 0, qmin, qmax)];
  });
  return forward({ ...graph, constants }, x, new Map(taps), slabs);
}

async function forward(
  graph: Graph,
  x: Images,
  taps: ReadonlyMap<string, Tap>,
  { slabSize, afterSlab }: Slabs,
): Promise<Images> {
  const constants = uploadConstants(graph);
  try {
    return await runAll(graph, constants, x, { taps, batchSize: slabSize, afterBatch: afterSlab });
  } finally {
    disposeAll(constants.values());
  }
}
