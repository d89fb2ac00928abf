/** Additions behind layers that are the layers' biases: exporters write MatMul and Add apart. */
import type { Constant, Graph, Node } from "../../ir/graph.ts";
import { consumersOf, freshName, isLayer, removeDead, valueNames } from "../../ir/rewrite.ts";

/**
 * Every `add` of one constant a channel that alone reads a layer without bias becomes that layer's bias; the
 * layer writes the sum.
 */
export function fuseBias(graph: Graph): Graph {
  const consumers = consumersOf(graph);
  const outputs = new Set(graph.outputs);
  const names = valueNames(graph);
  const constants = new Map(graph.constants);
  const fused = new Set<Node>();
  const nodes: Node[] = [];
  for (const node of graph.nodes) {
    if (fused.has(node)) continue;
    const [reader, ...others] = consumers.get(node.output) ?? [];
    const isAlone = others.length === 0 && !outputs.has(node.output);
    if (!isLayer(node) || node.inputs.length !== 2 || !isAlone || reader?.op !== "add") {
      nodes.push(node);
      continue;
    }
    const addend = reader.inputs.find((input) => input !== node.output)!;
    const bias = vector(graph.constants.get(addend), channelsOf(graph, node));
    if (!bias) {
      nodes.push(node);
      continue;
    }
    const name = constants.get(addend)!.shape.length === 1 ? addend : freshName(names, addend);
    constants.set(name, bias);
    fused.add(reader);
    nodes.push({ ...node, inputs: [...node.inputs, name], output: reader.output });
  }
  return removeDead({ ...graph, nodes, constants });
}

function channelsOf(graph: Graph, node: Node): number {
  const { shape } = graph.constants.get(node.inputs[1]!)!;
  return node.op === "depthwiseConv2d" ? shape[2]! * shape[3]! : shape.at(-1)!;
}

/** The constant as [channels], if that is what it is. */
function vector(constant: Constant | undefined, channels: number): Constant | undefined {
  if (!constant || constant.data.length !== channels || constant.shape.at(-1) !== channels) return undefined;
  return { shape: [channels], data: constant.data };
}
