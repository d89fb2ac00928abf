/** Activation functions move into the node before them, whose kernel applies them on the way out. */
import type { Activation, Graph, Node } from "./graph.ts";
import { consumersOf, isBinary, isLayer } from "./rewrite.ts";

type Host = Extract<Node, { activation?: Activation }>;

/**
 * Every `activation` node that alone reads the output of a convolution, dense layer, BatchNorm or function of
 * two values becomes that node's `activation`; the fused node writes the activation's output.
 *
 * Left alone: activations behind a value that is also read elsewhere, is a graph output or is activated already.
 */
export function fuseActivations(graph: Graph): Graph {
  const consumers = consumersOf(graph);
  const outputs = new Set(graph.outputs);
  const fused = new Set<string>();
  const nodes: Node[] = [];
  for (const node of graph.nodes) {
    if (fused.has(node.name)) continue;
    const [reader, ...others] = consumers.get(node.output) ?? [];
    const fusible = canHost(node) && others.length === 0 && !outputs.has(node.output);
    if (fusible && reader?.op === "activation") {
      fused.add(reader.name);
      nodes.push({ ...node, output: reader.output, activation: reader.activation });
    } else {
      nodes.push(node);
    }
  }
  return { ...graph, nodes };
}

function canHost(node: Node): node is Host {
  return (isLayer(node) || isBinary(node) || node.op === "batchNorm") && node.activation === undefined;
}
