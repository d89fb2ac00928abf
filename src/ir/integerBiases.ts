/** Biases as integer kernels take them: in steps of what the products of input and weights are counted in. */
import type { Graph, LayerNode, QuantizedGraph } from "./graph.ts";
import { byteScale } from "./integerWeights.ts";
import { consumersOf, isLayer } from "./rewrite.ts";
import { roundToEven } from "./roundToEven.ts";

/** A bias as integers: b[o] = codes[o] · scale[o], [O]. */
export interface IntegerBias {
  codes: Int32Array;
  /** s_x · s_w[o]: the step of the input times that of the output channel's weights in bytes. */
  scale: Float32Array;
}

/** Largest code of an integer bias: half of what 32 bits hold, the rest is for the products. */
export const LARGEST_CODE = 2 ** 30;

/** A layer's bias rounded to its steps; undefined where these are so fine that 32 bits do not reach. */
function integerBias(bias: Float32Array, weightScale: Float32Array, step: number): IntegerBias | undefined {
  const scale = bias.map((_, o) => weightScale[o % weightScale.length]! * step);
  const codes = Float64Array.from(bias, (value, o) => roundToEven(value / scale[o]!));
  if (!codes.every((code) => Math.abs(code) <= LARGEST_CODE)) return undefined;
  return { codes: Int32Array.from(codes), scale };
}

/**
 * The integer biases of a quantized network's layers, by the bias's name. Those of layers whose weights are not
 * quantized or whose input has not one step stay float, and those that several nodes read.
 */
export function integerBiases({ graph, weights, activations }: QuantizedGraph): Map<string, IntegerBias> {
  const consumers = consumersOf(graph);
  const found = new Map<string, IntegerBias>();
  for (const layer of graph.nodes.filter(isLayer)) {
    const [x, filter, name] = layer.inputs as [string, string, string?];
    const [input, weight] = [activations.get(x), weights.get(filter)];
    if (name === undefined || input?.scale.length !== 1 || !weight) continue;
    if (consumers.get(name)!.length > 1 || graph.outputs.includes(name)) continue;
    const bias = integerBias(biasOf(graph, layer), byteScale(weight), input.scale[0]!);
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
