/** Biases as integer kernels take them: in steps of what the products of input and weights are counted in. */
import type { Graph, LayerNode, QuantizedGraph, QuantParams } from "./graph.ts";
import { consumersOf, isLayer } from "./rewrite.ts";

/** A bias as integers: b[o] = codes[o] · scale[o], [O]. */
export interface IntegerBias {
  codes: Int32Array;
  /** s_x · s_w[o]: the step of the input times that of the output channel's weights. */
  scale: Float32Array;
}

/**
 * Bits of a layer's input from which on rounding its bias to the accumulator's steps costs nothing: half a step s_x·s_w
 * beside a sum of K products s_w·q·x is 1 / (64·√K) of it at 8 bits, and sixteen times that at 4 (DS-CNN at W2A4 has
 * 75.6 % with float biases and 61.0 % with rounded ones).
 */
const FINE_BITS = 8;

/** Half of what 32 bits hold: the rest is for the products. */
const LARGEST_CODE = 2 ** 30;

/** The bias rounded to the layer's steps; undefined where they are too coarse, or so fine that 32 bits do not reach. */
export function integerBias(
  bias: Float32Array,
  weights: QuantParams | undefined,
  input: QuantParams | undefined,
): IntegerBias | undefined {
  if (!weights || !input || input.scale.length !== 1) return undefined;
  if (input.bits < FINE_BITS) return undefined;
  const scale = bias.map((_, o) => weights.scale[weights.scale.length === 1 ? 0 : o]! * input.scale[0]!);
  const codes = Float64Array.from(bias, (value, o) => Math.round(value / scale[o]!));
  if (!codes.every((code) => Math.abs(code) <= LARGEST_CODE)) return undefined;
  return { codes: Int32Array.from(codes), scale };
}

/** The integer biases of a quantized network's layers, by the bias's name; those that several nodes read stay float. */
export function integerBiases({ graph, weights, activations }: QuantizedGraph): Map<string, IntegerBias> {
  const consumers = consumersOf(graph);
  const found = new Map<string, IntegerBias>();
  for (const layer of graph.nodes.filter(isLayer)) {
    const [x, filter, name] = layer.inputs as [string, string, string?];
    if (name === undefined || consumers.get(name)!.length > 1 || graph.outputs.includes(name)) continue;
    const bias = integerBias(biasOf(graph, layer), weights.get(filter)?.params, activations.get(x));
    if (bias) found.set(name, bias);
  }
  return found;
}

/** The floats that the integers stand for, as DequantizeLinear computes them. */
export function dequantizeBias({ codes, scale }: IntegerBias): Float32Array {
  return Float32Array.from(codes, (code, o) => Math.fround(code) * scale[o]!);
}

function biasOf(graph: Graph, layer: LayerNode): Float32Array {
  return graph.constants.get(layer.inputs[2]!)!.data;
}
