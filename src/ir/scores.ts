/** The scores that a classifier's probabilities are made from. */
import type { Graph, Node } from "./graph.ts";
import { removeDead } from "./rewrite.ts";

/**
 * The network up to its scores, where its only output is a softmax, reshaped or transposed behind it or not: blocks
 * are trained to give scores and not probabilities, whose differences vanish where the softmax saturates.
 */
export function upToScores(graph: Graph): Graph {
  const [output, ...others] = graph.outputs;
  const producers = new Map(graph.nodes.map((node) => [node.output, node]));
  let last = producers.get(output!);
  while (last && isMovement(last)) last = producers.get(last.inputs[0]!);
  if (others.length > 0 || last?.op !== "softmax") return graph;
  return removeDead({ ...graph, outputs: [last.inputs[0]!] });
}

function isMovement(node: Node): boolean {
  return node.op === "reshape" || node.op === "transpose";
}
