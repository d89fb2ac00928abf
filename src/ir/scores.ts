/** The scores that a classifier's probabilities are made from. */
import type { Graph, Node } from "./graph.ts";
import { removeDead } from "./rewrite.ts";

/**
 * The network up to its scores, where an output is a softmax, reshaped or transposed behind it or not: blocks are
 * trained to give scores and not probabilities, whose differences vanish where the softmax saturates.
 */
export function upToScores(graph: Graph): Graph {
  const producers = new Map(graph.nodes.map((node) => [node.output, node]));
  const outputs = graph.outputs.map((output) => {
    let last = producers.get(output);
    while (last && isMovement(last)) last = producers.get(last.inputs[0]!);
    return last?.op === "softmax" ? last.inputs[0]! : output;
  });
  const isSame = outputs.every((name, index) => name === graph.outputs[index]);
  return isSame ? graph : removeDead({ ...graph, outputs: [...new Set(outputs)] });
}

function isMovement(node: Node): boolean {
  return node.op === "reshape" || node.op === "transpose";
}
