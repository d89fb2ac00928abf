/** BatchNorm folded into the layer before it: exact, because weights are quantized per output channel. */
import { GenieError } from "../errors.ts";
import type { BatchNormNode, Graph, LayerNode, Node } from "./graph.ts";
import { consumersOf, freshName, isLayer, removeDead, valueNames } from "./rewrite.ts";

/**
 * Folds every BatchNorm that alone reads a layer's bare output (no activation between, not a graph output):
 *
 * g = scale / √(variance + epsilon),  w′[…, o] = w[…, o] · g[o],  bias′[o] = (bias[o] − mean[o]) · g[o] + offset[o]
 *
 * in float64, rounded once. The layer keeps its name and takes the BatchNorm's output and activation. Other
 * BatchNorms (pre-activation networks) stay. Constants that another node reads too are not overwritten: the
 * folded ones get new names.
 *
 * @throws GenieError `invalid-model` where a folded weight leaves the range of float32.
 */
export function foldBatchNorm(graph: Graph): Graph {
  const consumers = consumersOf(graph);
  const outputs = new Set(graph.outputs);
  const taken = valueNames(graph);
  const constants = new Map(graph.constants);
  const folded = new Set<string>();

  /** Stores a folded constant under its old name, or a new one if others read the old. */
  const store = (name: string | undefined, wanted: string, shape: number[], data: Float32Array): string => {
    const isOurs = name !== undefined && consumers.get(name)!.length === 1 && !outputs.has(name);
    const target = isOurs ? name : freshName(taken, wanted);
    constants.set(target, { shape, data });
    return target;
  };

  const fold = (layer: LayerNode, norm: BatchNormNode): LayerNode => {
    const [x, filterName, biasName] = layer.inputs as [string, string, string?];
    const filter = graph.constants.get(filterName)!;
    const bias = biasName === undefined ? undefined : graph.constants.get(biasName)!.data;
    const { weights, offsets } = foldedWeights(graph, norm, filter.data, bias);
    if (![weights, offsets].every((values) => values.every(Number.isFinite))) {
      throw new GenieError(
        "invalid-model",
        `folding BatchNorm "${norm.name}" into "${layer.name}" leaves the range of float32`,
      );
    }
    const filterTarget = store(filterName, `${layer.name}/filter`, filter.shape, weights);
    const biasTarget = store(biasName, `${layer.name}/bias`, [offsets.length], offsets);
    const { activation: _, ...bare } = layer;
    return {
      ...bare,
      inputs: [x, filterTarget, biasTarget],
      output: norm.output,
      ...(norm.activation && { activation: norm.activation }),
    };
  };

  const nodes: Node[] = [];
  for (const node of graph.nodes) {
    if (folded.has(node.name)) continue;
    const [reader, ...others] = consumers.get(node.output) ?? [];
    const foldable = isLayer(node) && !node.activation && others.length === 0 && !outputs.has(node.output);
    if (foldable && reader?.op === "batchNorm" && reader.inputs[0] === node.output) {
      folded.add(reader.name);
      nodes.push(fold(node, reader));
    } else {
      nodes.push(node);
    }
  }
  return removeDead({ ...graph, nodes, constants });
}

/** `filter` has the output channel innermost (for depthwise filters [kH, kW, C, M]: the last two together). */
function foldedWeights(
  graph: Graph,
  norm: BatchNormNode,
  filter: Float32Array,
  bias: Float32Array | undefined,
): { weights: Float32Array; offsets: Float32Array } {
  const [scale, offset, mean, variance] = norm.inputs.slice(1).map((name) => graph.constants.get(name)!.data);
  const gain = Float64Array.from(scale!, (value, o) => value / Math.sqrt(variance![o]! + norm.epsilon));
  return {
    weights: filter.map((value, i) => value * gain[i % gain.length]!),
    offsets: offset!.map((value, o) => ((bias?.[o] ?? 0) - mean![o]!) * gain[o]! + value),
  };
}
