/** Running a Graph: one walk over the nodes, with a table of ops. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { GenieError } from "../errors.ts";
import type { Graph, Node, NodeOf, OpName } from "../ir/graph.ts";
import { lastReaders } from "../ir/rewrite.ts";
import { inferenceOps, type Ops } from "./ops.ts";

/** Replaces a named value as soon as it exists: a quantizer returns a new tensor, an observer the same one. */
export type Tap = (value: Tensor) => Tensor;

export interface RunOptions {
  ops?: Ops;
  /** Taps by value name, on graph inputs too. */
  taps?: ReadonlyMap<string, Tap>;
}

/**
 * Evaluates `graph` and returns its outputs by name.
 *
 * The float teacher, the swing teacher and the fake-quantized student are this same walk with another table
 * of ops, other weights in `feeds`, or taps. Intermediate values are disposed after their last reader: what a
 * gradient needs, the tape has saved.
 *
 * @param feeds A tensor for every graph input and constant; the caller keeps owning them.
 * @throws GenieError `invalid-model` naming the value that nothing provides.
 */
export function run(
  graph: Graph,
  feeds: ReadonlyMap<string, Tensor>,
  { ops = inferenceOps, taps = new Map() }: RunOptions = {},
): Map<string, Tensor> {
  const values = new Map<string, Tensor>();
  const lastReader = lastReaders(graph);
  for (const { name } of graph.inputs) {
    const feed = feeds.get(name);
    if (!feed) throw new GenieError("invalid-model", `no value was given for the graph's input "${name}"`);
    values.set(name, taps.get(name)?.(feed) ?? feed);
  }
  graph.nodes.forEach((node, position) => {
    const inputs = node.inputs.map((name) => readValue(name, node, values, feeds));
    const result = apply(ops, node, inputs);
    const tapped = taps.get(node.output)?.(result) ?? result;
    if (tapped !== result) result.dispose();
    values.set(node.output, tapped);
    for (const name of new Set(node.inputs)) {
      const value = values.get(name);
      if (lastReader.get(name) === position && value && value !== feeds.get(name)) {
        value.dispose();
        values.delete(name);
      }
    }
  });
  return new Map(graph.outputs.map((name) => [name, outputOf(name, graph, values)]));
}

/** One op of the table on one node; the table's type ties each op to its node type. */
function apply<Op extends OpName>(ops: Ops, node: NodeOf<Op>, inputs: Tensor[]): Tensor {
  const op = ops[node.op as Op] as (node: NodeOf<Op>, inputs: Tensor[]) => Tensor;
  return op(node, inputs);
}

function readValue(
  name: string,
  node: Node,
  values: ReadonlyMap<string, Tensor>,
  feeds: ReadonlyMap<string, Tensor>,
): Tensor {
  const value = values.get(name) ?? feeds.get(name);
  if (!value)
    throw new GenieError("invalid-model", `node "${node.name}" reads "${name}", which nothing provides`);
  return value;
}

function outputOf(name: string, graph: Graph, values: ReadonlyMap<string, Tensor>): Tensor {
  const value = values.get(name);
  if (!value)
    throw new GenieError("invalid-model", `nothing computes the output "${name}" of "${graph.name}"`);
  return value;
}
