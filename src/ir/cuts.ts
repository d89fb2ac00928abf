/** Where a network narrows to a single value, and what lies between those places. */
import type { Graph, Node } from "./graph.ts";
import { isLayer } from "./rewrite.ts";

/** The nodes between two consecutive cuts. One node, or everything between a fork and its join. */
export interface Segment {
  nodes: Node[];
  /** The value that the network narrows to behind it; absent where none goes on, or several end. */
  output?: string;
}

/** More layers than a residual, inverted residual or inception block has. */
const MOST_LAYERS = 10;

/**
 * Splits the nodes at every *cut*: a position after which one value at most is alive. A value is alive from where it
 * is written to its last reader: constants do not count, nor what only leaves the network, nor what is carried past.
 *
 * The order of the nodes does not matter to where the cuts are: all that a cut value depends on stands before
 * it and, nothing else being alive, all that stands behind depends on it.
 *
 * @param carried Values that do not count: the skips of a U-Net, or a second input that joins late.
 */
export function segments(graph: Graph, carried: ReadonlySet<string> = new Set()): Segment[] {
  const lastUse = lastUses(graph);
  const counts = (value: string): boolean => lastUse.has(value) && !carried.has(value);
  const alive = new Set(graph.inputs.map((input) => input.name).filter(counts));
  const found: Segment[] = [];
  let nodes: Node[] = [];
  for (const [position, node] of graph.nodes.entries()) {
    nodes.push(node);
    if (counts(node.output)) alive.add(node.output);
    for (const input of node.inputs) if (lastUse.get(input) === position) alive.delete(input);
    if (alive.size > 1 && position < graph.nodes.length - 1) continue;
    const [only = endOf(graph, nodes)] = alive;
    found.push({ nodes, ...(only !== undefined && { output: only }) });
    nodes = [];
  }
  return found;
}

/**
 * The segments, with those of too many layers split where long-lived values pass by: of a segment that has more than
 * ten layers, the value that lives longest is carried past, until none has more (or none can be split).
 */
export function shortSegments(graph: Graph): Segment[] {
  const [, ...laterInputs] = graph.inputs;
  const carried = new Set(laterInputs.map(({ name }) => name));
  const written = new Map(graph.nodes.map((node, position) => [node.output, position]));
  const lastUse = lastUses(graph);
  const span = (value: string): number => (lastUse.get(value) ?? 0) - (written.get(value) ?? -1);
  for (;;) {
    const all = segments(graph, carried);
    const skips = all.flatMap(({ nodes }) => {
      if (nodes.filter(isLayer).length <= MOST_LAYERS) return [];
      const values = [...new Set(nodes.flatMap(({ inputs }) => inputs))];
      const candidates = values.filter(
        (value) => !carried.has(value) && !graph.constants.has(value) && span(value) > 1,
      );
      if (candidates.length === 0) return [];
      return [candidates.reduce((longest, value) => (span(value) > span(longest) ? value : longest))];
    });
    if (skips.length === 0) return all;
    for (const skip of skips) carried.add(skip);
  }
}

/** Position of the last node that reads each value. */
function lastUses(graph: Graph): Map<string, number> {
  const lastUse = new Map<string, number>();
  for (const [position, node] of graph.nodes.entries()) {
    for (const input of node.inputs) lastUse.set(input, position);
  }
  return lastUse;
}

/** The network's output that ends here, if it is one. */
function endOf(graph: Graph, nodes: readonly Node[]): string | undefined {
  const ends = nodes.map(({ output }) => output).filter((value) => graph.outputs.includes(value));
  return ends.length === 1 ? ends[0] : undefined;
}
