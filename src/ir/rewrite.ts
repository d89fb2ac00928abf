/** Small steps that every graph rewrite is made of. None of them changes its argument. */
import type { BinaryNode, Constant, Graph, LayerNode, Node } from "./graph.ts";

/** Whether a node has weights that GENIE quantizes. */
export function isLayer(node: Node): node is LayerNode {
  switch (node.op) {
    case "conv2d":
    case "depthwiseConv2d":
    case "convTranspose2d":
    case "dense":
      return true;
    default:
      return false;
  }
}

/** Whether a node is an element-wise function of two values. */
export function isBinary(node: Node): node is BinaryNode {
  switch (node.op) {
    case "add":
    case "multiply":
    case "subtract":
    case "divide":
    case "power":
    case "minimum":
    case "maximum":
      return true;
    default:
      return false;
  }
}

/** Output channels of a layer's filter: its last axis; for a depthwise filter [kH, kW, C, M] C·M. */
export function outputChannels(layer: LayerNode, filter: Constant): number {
  const [last, inner] = [filter.shape.at(-1)!, filter.shape.at(-2)!];
  return layer.op === "depthwiseConv2d" ? inner * last : last;
}

/** The nodes that read each value, once for every input slot that names it; values nobody reads are absent. */
export function consumersOf(graph: Pick<Graph, "nodes">): Map<string, Node[]> {
  const consumers = new Map<string, Node[]>();
  for (const node of graph.nodes) {
    for (const input of node.inputs) {
      const readers = consumers.get(input);
      if (readers) readers.push(node);
      else consumers.set(input, [node]);
    }
  }
  return consumers;
}

/** Every value name in use: inputs, constants and node outputs. */
export function valueNames(graph: Graph): Set<string> {
  return new Set([
    ...graph.inputs.map((input) => input.name),
    ...graph.constants.keys(),
    ...graph.nodes.map((node) => node.output),
  ]);
}

/** `wanted`, or `wanted` with the first number behind it that makes it new; added to `taken`. */
export function freshName(taken: Set<string>, wanted: string): string {
  let name = wanted;
  for (let i = 2; taken.has(name); i++) name = `${wanted}_${i}`;
  taken.add(name);
  return name;
}

/** The node with every input that `names` knows read under its new name. */
export function renameInputs<N extends Node>(node: N, names: ReadonlyMap<string, string>): N {
  return { ...node, inputs: node.inputs.map((input) => names.get(input) ?? input) };
}

/** Without the nodes and constants that no output depends on. Inputs stay: they are the model's signature. */
export function removeDead(graph: Graph): Graph {
  const needed = new Set(graph.outputs);
  const nodes = graph.nodes
    .toReversed()
    .filter((node) => {
      if (!needed.has(node.output)) return false;
      for (const input of node.inputs) needed.add(input);
      return true;
    })
    .reverse();
  return {
    ...graph,
    nodes,
    constants: new Map([...graph.constants].filter(([name]) => needed.has(name))),
  };
}

/** What the named nodes read from outside, and what they write that somebody outside (or the model's user) reads. */
export function borders(graph: Graph, nodeNames: Iterable<string>): { inputs: string[]; outputs: string[] } {
  const members = new Set(nodeNames);
  const written = new Set<string>();
  const read = new Set<string>();
  const readOutside = new Set(graph.outputs);
  for (const node of graph.nodes) {
    const isMember = members.has(node.name);
    if (isMember) written.add(node.output);
    for (const input of node.inputs) (isMember ? read : readOutside).add(input);
  }
  return {
    inputs: [...read].filter((value) => !written.has(value) && !graph.constants.has(value)),
    outputs: [...written].filter((value) => readOutside.has(value)),
  };
}

/**
 * The named nodes as a graph of their own. Its inputs are the values they read from outside, its outputs the
 * values that they write and that somebody outside (or the model's user) reads, both in order of the nodes.
 *
 * @param shapes The shape of every value of `graph`.
 */
export function subgraph(
  graph: Graph,
  name: string,
  nodeNames: Iterable<string>,
  shapes: ReadonlyMap<string, number[]>,
): Graph {
  const members = new Set(nodeNames);
  const nodes = graph.nodes.filter((node) => members.has(node.name));
  const read = new Set(nodes.flatMap((node) => node.inputs));
  const { inputs, outputs } = borders(graph, members);
  return {
    name,
    inputs: inputs.map((value) => ({ name: value, shape: shapes.get(value)! })),
    outputs,
    nodes,
    constants: new Map([...graph.constants].filter(([constant]) => read.has(constant))),
  };
}

/** Position of the last node that reads each value; graph outputs are never released. */
export function lastReaders(graph: Graph): Map<string, number> {
  const last = new Map<string, number>();
  graph.nodes.forEach((node, position) => {
    for (const name of node.inputs) last.set(name, position);
  });
  for (const name of graph.outputs) last.delete(name);
  return last;
}
