/** What a model is made of, in numbers: the data behind `inspect`. */
import { batchNormStatistics } from "./batchNorms.ts";
import type { BitAssignment } from "./bits.ts";
import { type Block, findBlocks } from "./blocks.ts";
import { foldBatchNorm } from "./foldBatchNorm.ts";
import { fuseActivations } from "./fuse.ts";
import type { Graph, Node, OpName } from "./graph.ts";
import { isLayer } from "./rewrite.ts";
import { elementsPerImage } from "./shapeChecks.ts";
import { inferShapes } from "./shapes.ts";

export interface NodeSummary {
  name: string;
  op: OpName;
  /** −1 for the batch. */
  outputShape: number[];
  /** Values in the constants it reads, BatchNorm's statistics included. */
  parameters: number;
  /** Multiply-adds of its layer for one image; 0 for nodes that are no layer. */
  multiplyAdds: number;
  /** Of a layer, where bits were given. */
  weightBits?: number;
  /** Of a layer whose input is quantized, where bits were given. */
  inputBits?: number;
}

export interface GraphSummary {
  name: string;
  inputs: { name: string; shape: number[] }[];
  outputs: { name: string; shape: number[] }[];
  nodes: NodeSummary[];
  layers: number;
  /** BatchNorms that carry statistics. */
  batchNorms: number;
  /** Channels of those: how many means and deviations synthesis matches. */
  statistics: number;
  /** Values in all constants, shared ones once. */
  parameters: number;
  multiplyAdds: number;
  /** Constants in float32. */
  floatBytes: number;
  /** With BatchNorm folded and the layers' weights at their bits, the rest in float32; where bits were given. */
  quantizedBytes?: number;
  /** Why a part of the file stays as it is, float, and names of the layers in it; where there is such a part. */
  tail?: { reasons: string[]; layers: string[] };
  /** Units of reconstruction, with BatchNorm folded and activations fused. */
  blocks: Block[];
}

/** @throws GenieError `invalid-model` where the shapes contradict each other. */
export function summarize(graph: Graph, bits?: BitAssignment): GraphSummary {
  const shapes = inferShapes(graph);
  const named = (name: string) => ({ name, shape: shapes.get(name)! });
  const folded = fuseActivations(foldBatchNorm(graph));
  const nodes = graph.nodes.map((node) => summarizeNode(graph, node, shapes, bits));
  const statistics = batchNormStatistics(graph);
  const parameters = countParameters(graph, [...graph.constants.keys()]);
  return {
    name: graph.name,
    inputs: graph.inputs.map(({ name }) => named(name)),
    outputs: graph.outputs.map(named),
    nodes,
    layers: graph.nodes.filter(isLayer).length,
    batchNorms: statistics.length,
    statistics: statistics.reduce((sum, { channels }) => sum + channels, 0),
    parameters,
    multiplyAdds: nodes.reduce((sum, node) => sum + node.multiplyAdds, 0),
    floatBytes: parameters * Float32Array.BYTES_PER_ELEMENT,
    ...(bits && { quantizedBytes: quantizedBytes(folded, bits) }),
    ...(graph.tail && { tail: { reasons: graph.tail.reasons, layers: graph.tail.layers } }),
    blocks: findBlocks(folded),
  };
}

function summarizeNode(
  graph: Graph,
  node: Node,
  shapes: ReadonlyMap<string, number[]>,
  bits: BitAssignment | undefined,
): NodeSummary {
  const outputShape = shapes.get(node.output)!;
  const weightBits = bits?.weights.get(node.name);
  const inputBits = isLayer(node) ? bits?.activations.get(node.inputs[0]!) : undefined;
  return {
    name: node.name,
    op: node.op,
    outputShape,
    parameters: countParameters(graph, node.inputs),
    multiplyAdds: multiplyAdds(graph, node, shapes),
    ...(weightBits !== undefined && { weightBits }),
    ...(inputBits !== undefined && { inputBits }),
  };
}

/**
 * Every weight is used once a position of the output: [N, OH, OW, O] has OH·OW positions, [N, O] has one. Those of a
 * transposed convolution once a position of the input.
 */
function multiplyAdds(graph: Graph, node: Node, shapes: ReadonlyMap<string, number[]>): number {
  if (!isLayer(node)) return 0;
  const swept = shapes.get(node.op === "convTranspose2d" ? node.inputs[0]! : node.output)!;
  return elementsPerImage(swept.slice(0, -1)) * countParameters(graph, [node.inputs[1]!]);
}

function countParameters(graph: Graph, names: readonly string[]): number {
  return names.reduce((sum, name) => {
    const constant = graph.constants.get(name);
    return sum + (constant ? elementsPerImage(constant.shape) : 0);
  }, 0);
}

function quantizedBytes(folded: Graph, bits: BitAssignment): number {
  const widths = new Map<string, number>();
  for (const node of folded.nodes.filter(isLayer)) {
    const filter = node.inputs[1]!;
    widths.set(filter, Math.max(bits.weights.get(node.name) ?? 32, widths.get(filter) ?? 0));
  }
  let total = 0;
  for (const name of folded.constants.keys()) {
    total += Math.ceil((countParameters(folded, [name]) * (widths.get(name) ?? 32)) / 8);
  }
  return total;
}
