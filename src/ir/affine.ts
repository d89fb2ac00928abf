/** What the input goes through before the first nonlinearity: all that its BatchNorms say about it is linear there. */
import { type BatchNormStatistics, batchNormStatistics } from "./batchNorms.ts";
import type { Graph, Node } from "./graph.ts";
import { removeDead } from "./rewrite.ts";

/** BatchNorms that see an affine function of the network's input, and the part of the network that computes it. */
export interface AffineStart {
  /** From the input to the values that `norms` normalize: its outputs, without duplicates. */
  graph: Graph;
  norms: BatchNormStatistics[];
}

/** The affine start of a network with one input; without BatchNorms where a nonlinearity stands before all of them. */
export function affineStart(graph: Graph): AffineStart {
  const affine = new Set(graph.inputs.map((input) => input.name));
  for (const node of graph.nodes) if (isAffine(node, affine, graph)) affine.add(node.output);
  const norms = batchNormStatistics(graph).filter((norm) => affine.has(norm.input));
  const outputs = [...new Set(norms.map((norm) => norm.input))];
  return { graph: removeDead({ ...graph, outputs }), norms };
}

/** Whether the node's output is an affine function of the input, given the values that are. */
function isAffine(node: Node, affine: ReadonlySet<string>, graph: Graph): boolean {
  if ("activation" in node && node.activation) return false;
  const varying = node.inputs.filter((input) => !graph.constants.has(input));
  if (varying.length === 0 || !varying.every((input) => affine.has(input))) return false;
  switch (node.op) {
    case "multiply":
    case "matMul":
      return varying.length === 1;
    case "divide":
      return graph.constants.has(node.inputs[1]!);
    case "reduce":
      return node.kind === "mean" || node.kind === "sum";
    case "power":
    case "minimum":
    case "maximum":
    case "activation":
    case "maxPool":
    case "softmax":
    case "fakeQuantize":
      return false;
    default:
      return true;
  }
}
