/** The statistics of the training data that a model carries in its BatchNorms: all that synthesis has to go by. */
import { GenieError } from "../errors.ts";
import type { BatchNormNode, Graph } from "./graph.ts";
import { isLayer } from "./rewrite.ts";

/** Added to the running variance before the root, as in the authors' implementation. */
const VARIANCE_EPSILON = 1e-6;

/** What the training data looked like at one BatchNorm's input. */
export interface BatchNormStatistics {
  /** The BatchNorm node. */
  name: string;
  /** The value it normalizes: [N, …, C]. */
  input: string;
  channels: number;
  /** Running mean μ [C]. */
  mean: Float32Array;
  /** σ = √(running variance + 1e-6) [C]. */
  std: Float32Array;
}

/**
 * The BatchNorms that carry statistics, in topological order.
 *
 * One with mean 0 and variance 1 in every channel has never seen data (fresh from its initializer, or a plain
 * scale and offset written as a BatchNorm): it says nothing about images and is left out.
 */
export function batchNormStatistics(graph: Graph): BatchNormStatistics[] {
  return graph.nodes
    .filter((node) => node.op === "batchNorm")
    .map((node) => statistics(graph, node))
    .filter(
      ({ mean, variance }) => mean.some((value) => value !== 0) || variance.some((value) => value !== 1),
    )
    .map(({ variance, ...rest }) => ({
      ...rest,
      std: variance.map((value) => Math.sqrt(value + VARIANCE_EPSILON)),
    }));
}

/**
 * The same, where there must be some.
 *
 * @throws GenieError `no-batch-norm`, saying what to do instead.
 */
export function requireBatchNorms(graph: Graph): BatchNormStatistics[] {
  const found = batchNormStatistics(graph);
  if (found.length === 0) throw new GenieError("no-batch-norm", explanation(graph));
  return found;
}

/** Those of the BatchNorms with statistics that no other one with statistics stands in front of. */
export function firstStatistics(graph: Graph): BatchNormStatistics[] {
  const all = batchNormStatistics(graph);
  const names = new Set(all.map(({ name }) => name));
  const behind = new Set<string>();
  const first = new Set<string>();
  for (const node of graph.nodes) {
    const isBehind = node.inputs.some((input) => behind.has(input));
    if (names.has(node.name) && !isBehind) first.add(node.name);
    if (isBehind || names.has(node.name)) behind.add(node.output);
  }
  return all.filter(({ name }) => first.has(name));
}

/** The network up to its last BatchNorm, without outputs: what comes behind does not touch the statistics. */
export function upToLastBatchNorm(graph: Graph): Graph {
  const last = graph.nodes.findLastIndex((node) => node.op === "batchNorm");
  return { ...graph, nodes: graph.nodes.slice(0, last + 1), outputs: [] };
}

function statistics(graph: Graph, node: BatchNormNode) {
  const [mean, variance] = node.inputs.slice(3).map((name) => graph.constants.get(name)!.data);
  return {
    name: node.name,
    input: node.inputs[0]!,
    channels: mean!.length,
    mean: mean!.slice(),
    variance: variance!,
  };
}

function explanation(graph: Graph): string {
  const unused = graph.nodes.filter((node) => node.op === "batchNorm").length;
  const convolutions = graph.nodes.filter((node) => isLayer(node) && node.op !== "dense");
  const lines = [
    `model "${graph.name}" carries no BatchNorm statistics, so no images can be synthesized from it.`,
  ];
  if (unused > 0) {
    lines.push(
      `Its ${unused} BatchNorm(s) hold mean 0 and variance 1 in every channel: they have never seen training data.`,
    );
  } else if (convolutions.length > 0 && convolutions.every((node) => node.inputs.length === 3)) {
    lines.push(
      `All of its ${convolutions.length} convolution(s) have a bias and there is no BatchNorm:`,
      "it looks folded into them, as exporters and optimizers do by default.",
    );
  }
  lines.push(
    "Export the model again with BatchNorm kept, in PyTorch after model.eval() with",
    "torch.onnx.export(model, input, path, training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False),",
    "or take procedural images (--mode prior) or a few real ones (--data) instead.",
  );
  return lines.join(" ");
}
