/** A finished block: its integers, and what it gives with them. Plain data, which can be posted and kept. */
import { runAll } from "../engine/feeds.ts";
import type { Values } from "../images.ts";
import type { Constant, Graph, QuantizedGraph, QuantizedTensor, QuantParams } from "../ir/graph.ts";
import { dequantize, toFakeQuantized } from "../ir/quantized.ts";

export interface BlockQuantization {
  /** By the name of the filter constant. */
  weights: [string, QuantizedTensor][];
  /** By the name of the activation. */
  activations: [string, QuantParams][];
  /** By the name of the bias constant: float, but not the model's where they were corrected or equalized. */
  biases: [string, Constant][];
}

/** Images are run a slab at a time, each awaited. */
export interface Slabs {
  slabSize: number;
  afterSlab: () => Promise<void>;
}

/** Writes a block's integers into the model. */
export function commit({ weights, activations, biases }: BlockQuantization, model: QuantizedGraph): void {
  for (const [name, quantized] of weights) {
    model.weights.set(name, quantized);
    model.graph.constants.set(name, { shape: quantized.shape, data: dequantize(quantized) });
  }
  for (const [name, params] of activations) model.activations.set(name, params);
  for (const [name, bias] of biases) model.graph.constants.set(name, bias);
}

/** The outputs of block `graph` for its inputs x, computed a slab of images at a time. */
export function floatForward(graph: Graph, x: Values, { slabSize, afterSlab }: Slabs): Promise<Values> {
  return runAll(graph, x, { batchSize: slabSize, afterBatch: afterSlab });
}

/** The same with its weights and activations quantized. */
export function quantizedForward(
  graph: Graph,
  { weights, activations, biases }: BlockQuantization,
  x: Values,
  slabs: Slabs,
): Promise<Values> {
  const corrected = { ...graph, constants: new Map([...graph.constants, ...biases]) };
  const quantized = { graph: corrected, weights: new Map(weights), activations: new Map(activations) };
  return floatForward(toFakeQuantized(quantized), x, slabs);
}

/** A model of which nothing is quantized yet; `commit` writes into it. */
export function unquantized(graph: Graph): QuantizedGraph {
  return {
    graph: { ...graph, constants: new Map(graph.constants) },
    weights: new Map(),
    activations: new Map(),
  };
}
