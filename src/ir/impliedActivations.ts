/** Activation functions that the quantizer behind them implies. */
import {
  type Activation,
  type FakeQuantizeNode,
  type Graph,
  type Node,
  type QuantParams,
  quantRange,
} from "./graph.ts";
import { consumersOf } from "./rewrite.ts";
import { roundToEven } from "./roundToEven.ts";

/**
 * The same values from fewer operations: an activation that is cut off where the grids of all its readers end (ReLU in
 * front of an unsigned grid, ReLU6 in front of one whose top code it reaches) is left out, fused or a node of its own.
 *
 * Whether codes change is decided exactly: codes rise with values, so that it is enough to look at the bounds.
 */
export function dropImpliedActivations(graph: Graph): Graph {
  const consumers = consumersOf(graph);
  const isImplied = (activation: Activation, value: string): boolean => {
    const readers = consumers.get(value) ?? [];
    return (
      readers.length > 0 &&
      !graph.outputs.includes(value) &&
      readers.every((reader) => reader.op === "fakeQuantize" && implies(reader.params, activation))
    );
  };
  const source = new Map<string, string>();
  const nodes: Node[] = [];
  for (const node of graph.nodes) {
    const read = node.inputs.map((name) => source.get(name) ?? name);
    if (node.op === "activation" && isImplied(node.activation, node.output)) {
      source.set(node.output, read[0]!);
    } else if ("activation" in node && node.activation && isImplied(node.activation, node.output)) {
      const { activation: _, ...bare } = node;
      nodes.push({ ...bare, inputs: read } as Node);
    } else {
      nodes.push({ ...node, inputs: read });
    }
  }
  return { ...graph, nodes };
}

/** Whether quantized values are the same without the activation before. */
export function implies(params: QuantParams, activation: Activation): boolean {
  const { qmin, qmax } = quantRange(params);
  const isLeast = (value: number): boolean => codesOf(value, params).every((code) => code === qmin);
  const isMost = (value: number): boolean => codesOf(value, params).every((code) => code === qmax);
  switch (activation.kind) {
    case "relu":
      return isLeast(0);
    // What is below 0 stays there.
    case "leakyRelu":
      return activation.alpha >= 0 && isLeast(0);
    case "clip":
      return isLeast(activation.min) && isMost(activation.max);
    default:
      return false;
  }
}

/** The code of a value, for every scale: clip(round(v / s) + z, qmin, qmax), ties to even, v / s in float32. */
function codesOf(value: number, params: FakeQuantizeNode["params"]): number[] {
  const { qmin, qmax } = quantRange(params);
  return Array.from(params.scale, (scale, channel) => {
    const level = roundToEven(Math.fround(Math.fround(value) / scale)) + params.zeroPoint[channel]!;
    return Math.min(Math.max(level, qmin), qmax);
  });
}
