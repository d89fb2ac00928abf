/** Channels of an activation brought to a common range (cross-layer equalization, Nagel et al., ICCV 2019). */
import type { Activation, Constant, Graph, LayerNode, Node } from "./graph.ts";
import { consumersOf, freshName, isLayer, valueNames } from "./rewrite.ts";

/** An activation, rectified or linear, that one layer writes and another one reads, padded with zeros perhaps; nobody else. */
export interface ScalableLink {
  /** The layer whose output it is, and the one that reads it. */
  from: LayerNode;
  to: LayerNode;
  /** Where the activation cuts it off: +∞ for ReLU and where there is none. */
  ceiling: number;
}

/** The links whose channels can be scaled: the filters and the bias beside them are read by their layers alone. */
export function scalableLinks(graph: Graph): ScalableLink[] {
  const consumers = consumersOf(graph);
  const isOwn = (name: string): boolean => graph.constants.has(name) && consumers.get(name)!.length === 1;
  const readerOf = (value: string): LayerNode | undefined => {
    const [reader, ...others] = consumers.get(value) ?? [];
    if (!reader || others.length > 0 || graph.outputs.includes(value)) return undefined;
    if (reader.op === "pad" && reader.mode === "constant" && reader.value === 0)
      return readerOf(reader.output);
    if (!isLayer(reader) || ("groups" in reader && reader.groups > 1)) return undefined;
    return reader;
  };
  return graph.nodes.filter(isLayer).flatMap((from) => {
    const ceiling = ceilingOf(from.activation);
    const to = readerOf(from.output);
    const areOwn = to && [...from.inputs.slice(1), to.inputs[1]!].every(isOwn);
    return areOwn && ceiling !== undefined && keepsChannels(graph, from, to) ? [{ from, to, ceiling }] : [];
  });
}

/** Whether the padding between them, if any, leaves the channels alone. */
function keepsChannels(graph: Graph, from: LayerNode, to: LayerNode): boolean {
  const filter = graph.constants.get(to.inputs[1]!)!;
  const read = to.op === "dense" ? filter.shape[0]! : filter.shape[2]!;
  return graph.constants.get(from.inputs[2]!)?.shape[0] === read;
}

function ceilingOf(activation: Activation | undefined): number | undefined {
  if (!activation || activation.kind === "relu") return Number.POSITIVE_INFINITY;
  return activation.kind === "clip" && activation.min === 0 ? activation.max : undefined;
}

/** A factor g[c] ≥ 1 for each channel of a link's activation, [C]. */
export type Gains = ReadonlyMap<ScalableLink, Float32Array>;

/**
 * Every channel c of a link's activation times g[c], which the layer in front of it gives and the reading layer's
 * filter takes back: the same function, but that the rectifier cuts channels off at its ceiling / g[c].
 *
 * @param gains By link of the graph (`scalableLinks`).
 */
export function equalize(graph: Graph, gains: Gains): Graph {
  const constants = new Map(graph.constants);
  for (const [link, gain] of gains) {
    for (const name of link.from.inputs.slice(1)) {
      scaleConstant(constants, name, (index) => gain[index % gain.length]!);
    }
    takeBack(constants, link, gain);
  }
  return { ...graph, constants };
}

/**
 * The same values as `equalize` gives, by their names, as far as no rectifier cuts them off, and the same function
 * as `graph` exactly: a multiplication of its own follows the rectifier, which cuts off where it did.
 *
 * @returns The graph, and the name of each multiplication by that of the layer in front of it.
 */
export function lift(graph: Graph, gains: Gains): { graph: Graph; lifts: Map<string, string> } {
  const taken = new Set([...valueNames(graph), ...graph.nodes.map(({ name }) => name)]);
  const constants = new Map(graph.constants);
  const gainOf = new Map<Node, Float32Array>();
  for (const [link, gain] of gains) {
    gainOf.set(link.from, gain);
    takeBack(constants, link, gain);
  }
  const lifts = new Map<string, string>();
  const nodes = graph.nodes.flatMap((node): Node[] => {
    const gain = gainOf.get(node);
    if (!gain) return [node];
    const unlifted = freshName(taken, `${node.output}/unlifted`);
    const factor = freshName(taken, `${node.output}/gain`);
    const name = freshName(taken, `${node.name}/lift`);
    constants.set(factor, { shape: [gain.length], data: gain });
    lifts.set(node.name, name);
    return [
      { ...node, output: unlifted },
      { op: "multiply", name, inputs: [unlifted, factor], output: node.output },
    ];
  });
  return { graph: { ...graph, nodes, constants }, lifts };
}

/** The reading layer's filter with every input channel c divided by g[c]. */
function takeBack(constants: Map<string, Constant>, { to }: ScalableLink, gain: Float32Array): void {
  const filter = to.inputs[1]!;
  // What follows the input channel in the filter's shape: [kH, kW, C, O], [kH, kW, C, M] or [C, O].
  const inner = constants.get(filter)!.shape.at(-1)!;
  scaleConstant(constants, filter, (index) => 1 / gain[Math.floor(index / inner) % gain.length]!);
}

function scaleConstant(
  constants: Map<string, Constant>,
  name: string,
  factor: (index: number) => number,
): void {
  const { shape, data } = constants.get(name)!;
  constants.set(name, { shape, data: data.map((value, index) => value * factor(index)) });
}
