/** A quantized network as a float graph that computes what the integers will: what our evaluation runs. */
import { GenieError } from "../errors.ts";
import type { Constant, Graph, Node, QuantizedGraph, QuantizedTensor, QuantParams } from "./graph.ts";
import { dequantizeBias, integerBiases } from "./integerBiases.ts";
import { freshName, renameInputs, valueNames } from "./rewrite.ts";

/**
 * Every weight and every integer bias dequantized, and a `fakeQuantize` node behind every quantized activation. All
 * nodes that read the activation read the quantized one; a graph output stays as it is.
 *
 * @throws GenieError `invalid-model` where `quantized` names a constant or an activation that its graph lacks.
 */
export function toFakeQuantized(model: QuantizedGraph): Graph {
  const { graph, activations } = model;
  const taken = valueNames(graph);
  const nodeNames = new Set(graph.nodes.map((node) => node.name));
  const quantizedNames = new Map<string, string>();
  const written: Node[] = [];

  const quantize = (value: string, params: QuantParams): Node => {
    const output = freshName(taken, `${value}/quantized`);
    quantizedNames.set(value, output);
    return {
      op: "fakeQuantize",
      name: freshName(nodeNames, `${value}/fakeQuantize`),
      inputs: [value],
      output,
      params,
    };
  };
  const follow = (value: string) => {
    const params = activations.get(value);
    if (params) written.push(quantize(value, params));
  };

  for (const input of graph.inputs) follow(input.name);
  for (const node of graph.nodes) {
    written.push(renameInputs(node, quantizedNames));
    follow(node.output);
  }
  for (const value of activations.keys()) {
    if (!quantizedNames.has(value)) {
      throw new GenieError(
        "invalid-model",
        `nothing in the model writes the quantized activation "${value}"`,
      );
    }
  }
  return { ...graph, nodes: written, constants: dequantizedConstants(model) };
}

/** w = (q − zeroPoint) · scale in float32, per tensor or per channel along the last axis. */
export function dequantize({ data, params: { scale, zeroPoint } }: QuantizedTensor): Float32Array {
  // For depthwise filters [kH, kW, C, M] the last two axes together are the channels: the same index.
  const channels = scale.length;
  const weights = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) {
    weights[i] = (data[i]! - zeroPoint[i % channels]!) * scale[i % channels]!;
  }
  return weights;
}

function dequantizedConstants(model: QuantizedGraph): Map<string, Constant> {
  const { graph, weights } = model;
  const constants = new Map(graph.constants);
  for (const [name, tensor] of weights) {
    if (!constants.has(name)) {
      throw new GenieError("invalid-model", `the model has no constant "${name}" that was quantized`);
    }
    constants.set(name, { shape: tensor.shape, data: dequantize(tensor) });
  }
  for (const [name, bias] of integerBiases(model)) {
    constants.set(name, { shape: [bias.codes.length], data: dequantizeBias(bias) });
  }
  return constants;
}
