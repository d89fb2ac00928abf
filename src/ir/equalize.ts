/** Channels of an activation brought to a common range (cross-layer equalization, Nagel et al., ICCV 2019). */
import type { Activation, Graph, LayerNode } from "./graph.ts";
import { consumersOf, isLayer } from "./rewrite.ts";

/** A rectified activation that one layer writes and another one reads, padded with zeros perhaps; nobody else. */
export interface RectifiedLink {
  /** The layer whose output it is, and the one that reads it. */
  from: LayerNode;
  to: LayerNode;
  /** Where the activation cuts it off: +∞ for ReLU. */
  ceiling: number;
}

/** The links whose channels can be scaled: the filters and the bias beside them are read by their layers alone. */
export function rectifiedLinks(graph: Graph): RectifiedLink[] {
  const consumers = consumersOf(graph);
  const isOwn = (name: string): boolean => graph.constants.has(name) && consumers.get(name)!.length === 1;
  const readerOf = (value: string): LayerNode | undefined => {
    const [reader, ...others] = consumers.get(value) ?? [];
    if (!reader || others.length > 0 || graph.outputs.includes(value)) return undefined;
    if (reader.op === "pad" && reader.mode === "constant" && reader.value === 0)
      return readerOf(reader.output);
    if (!isLayer(reader) || (reader.op === "conv2d" && reader.groups > 1)) return undefined;
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
  if (activation?.kind === "relu") return Number.POSITIVE_INFINITY;
  return activation?.kind === "clip" && activation.min === 0 ? activation.max : undefined;
}

/**
 * Every channel c of a link's activation times g[c] ≥ 1, which the reading layer's filter takes back: the same
 * function, as long as no channel times its gain passes the link's ceiling.
 *
 * @param gains g, [C], by link of the graph (`rectifiedLinks`).
 */
export function equalize(graph: Graph, gains: ReadonlyMap<RectifiedLink, Float32Array>): Graph {
  const constants = new Map(graph.constants);
  const scale = (name: string, factor: (index: number) => number): void => {
    const { shape, data } = constants.get(name)!;
    constants.set(name, { shape, data: data.map((value, index) => value * factor(index)) });
  };
  for (const [{ from, to }, gain] of gains) {
    for (const name of from.inputs.slice(1)) scale(name, (index) => gain[index % gain.length]!);
    const filter = to.inputs[1]!;
    // What follows the input channel in the filter's shape: [kH, kW, C, O], [kH, kW, C, M] or [C, O].
    const inner = constants.get(filter)!.shape.at(-1)!;
    scale(filter, (index) => 1 / gain[Math.floor(index / inner) % gain.length]!);
  }
  return { ...graph, constants };
}
