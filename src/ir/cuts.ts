/** Where a network narrows to a single value, and what lies between those places. */
import type { Graph, Node } from "./graph.ts";

/** The nodes between two consecutive cuts. One node, or everything between a fork and its join. */
export interface Segment {
  nodes: Node[];
  /** The cut value behind it; absent where the network ends in several values. */
  output?: string;
}

/**
 * Splits the nodes at every *cut*: a position after which exactly one value is alive. A value is alive from
 * where it is written to its last reader; graph outputs live to the end, constants do not count.
 *
 * The order of the nodes does not matter to where the cuts are: all that a cut value depends on stands before
 * it and, nothing else being alive, all that stands behind depends on it.
 */
export function segments(graph: Graph): Segment[] {
  const lastUse = new Map<string, number>();
  for (const [position, node] of graph.nodes.entries()) {
    for (const input of node.inputs) lastUse.set(input, position);
  }
  for (const output of graph.outputs) lastUse.set(output, Number.POSITIVE_INFINITY);

  const alive = new Set(graph.inputs.map((input) => input.name).filter((name) => lastUse.has(name)));
  const found: Segment[] = [];
  let cut = alive.size === 1 ? [...alive][0] : undefined;
  let nodes: Node[] = [];
  for (const [position, node] of graph.nodes.entries()) {
    nodes.push(node);
    if (lastUse.has(node.output)) alive.add(node.output);
    for (const input of node.inputs) if (lastUse.get(input) === position) alive.delete(input);
    const [only] = alive;
    // Behind a cut value that somebody reads much later, nothing is cut off yet.
    if (only !== undefined && alive.size === 1 && only !== cut) {
      found.push({ nodes, output: only });
      nodes = [];
      cut = only;
    }
  }
  if (nodes.length > 0) found.push({ nodes });
  return found;
}
