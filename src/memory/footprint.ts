/** A graph on a `Ledger`: which tensors each op makes, keeps and drops, as `engine/` and `kernels/` do. */
import type { Activation, Conv2dNode, DepthwiseConv2dNode, Graph, Node } from "../ir/graph.ts";
import { lastReaders } from "../ir/rewrite.ts";
import { elementsPerImage } from "../ir/shapeChecks.ts";
import { inferShapes } from "../ir/shapes.ts";
import type { Ledger, Shadow } from "./ledger.ts";

export const FLOAT_BYTES = 4;

export interface WalkOptions {
  batchSize: number;
  /** Whose gradients will be asked for: nobody's, the inputs' (filters are frozen), or the filters' too. */
  learns: "nothing" | "inputs" | "filters";
  /** Whether convolutions of a stride read a shifted copy of their input. */
  swing?: boolean;
  /** Makes another tensor of a value as soon as it exists. */
  taps?: ReadonlyMap<string, (value: Shadow) => Shadow>;
}

/** Bytes of every constant. */
export function constantBytes({ constants }: Graph): number {
  return FLOAT_BYTES * [...constants.values()].reduce((sum, { data }) => sum + data.length, 0);
}

/** Bytes of one image of each value. */
export function bytesPerImage(graph: Graph): Map<string, number> {
  return new Map(
    [...inferShapes(graph)].map(([name, shape]) => [name, FLOAT_BYTES * elementsPerImage(shape)]),
  );
}

/**
 * Runs `graph` on the ledger, as `run` does: a value is dropped after its last reader.
 *
 * @param feeds Of the graph's inputs, and of the constants that are learned; the caller keeps owning them.
 * @returns The graph's outputs.
 */
export function walk(
  ledger: Ledger,
  graph: Graph,
  feeds: ReadonlyMap<string, Shadow>,
  { batchSize, learns, swing = false, taps = new Map() }: WalkOptions,
): Shadow[] {
  const sizes = bytesPerImage(graph);
  const bytesOf = (name: string): number => sizes.get(name)! * batchSize;
  const values = new Map<string, Shadow>();
  const lastReader = lastReaders(graph);
  for (const { name } of graph.inputs)
    values.set(name, taps.get(name)?.(feeds.get(name)!) ?? feeds.get(name)!);
  graph.nodes.forEach((node, position) => {
    const read = node.inputs.map((name) => values.get(name) ?? feeds.get(name));
    const tensors = read.filter((input) => input !== undefined);
    const isSwung = swing && isConvolution(node) && node.strides.some((step) => step > 1);
    const [x, ...others] = tensors;
    const inputs = isSwung ? [ledger.op([x!], x!.bytes), ...others] : tensors;
    const result = compute(ledger, node, inputs, bytesOf(node.output), learns, bytesOf);
    const tapped = taps.get(node.output)?.(result) ?? result;
    if (tapped !== result) ledger.dispose(result);
    values.set(node.output, tapped);
    for (const name of new Set(node.inputs)) {
      const value = values.get(name);
      if (value && lastReader.get(name) === position && value !== feeds.get(name)) {
        ledger.dispose(value);
        values.delete(name);
      }
    }
  });
  return graph.outputs.flatMap((name) => values.get(name) ?? []);
}

function isConvolution(node: Node): node is Conv2dNode | DepthwiseConv2dNode {
  return node.op === "conv2d" || node.op === "depthwiseConv2d";
}

/** One node: `inputs` without the constants that are not learned. */
function compute(
  ledger: Ledger,
  node: Node,
  inputs: Shadow[],
  bytes: number,
  learns: WalkOptions["learns"],
  bytesOf: (name: string) => number,
): Shadow {
  const [x] = inputs;
  switch (node.op) {
    case "conv2d":
    case "depthwiseConv2d":
    case "dense": {
      const keepsInput = learns === "filters" || node.op === "dense";
      // A channel multiplier takes a copy of the input with repeated channels, as large as the output at stride 1.
      const isRepeated = node.op === "depthwiseConv2d" && bytes > bytesOf(node.inputs[0]!);
      const bare = ledger.op(inputs, bytes, {
        saves: keepsInput ? inputs : [],
        transient: isRepeated ? 4 * bytes : 0,
      });
      if (node.inputs.length < 3 && !node.activation) return bare;
      const out = activate(ledger, bare, node.activation);
      ledger.dispose(bare);
      return out;
    }
    case "batchNorm":
      return ledger.op(inputs, bytes, { saves: [x!] });
    case "activation":
      return activate(ledger, x!, node.activation);
    case "add":
      if (!node.activation) return ledger.op(inputs, bytes, { passesGradient: true });
      return addAndActivate(ledger, inputs, bytes);
    case "multiply": {
      const product = ledger.op(inputs, bytes, { saves: inputs });
      return node.activation ? activate(ledger, product, node.activation) : product;
    }
    case "maxPool":
      return ledger.op(inputs, bytes, { saves: inputs, savesOutput: true });
    case "reshape":
      return ledger.op(inputs, bytes, { isAlias: true, passesGradient: true });
    case "softmax":
      return ledger.op(inputs, bytes, { savesOutput: true, transient: 2 * bytes });
    // Through tfjs's own kernels, which make copies on the way.
    case "pad":
    case "slice":
    case "transpose":
    case "concat":
      return ledger.op(inputs, bytes, { transient: 2 * bytes });
    default:
      return ledger.op(inputs, bytes);
  }
}

/** One gradient for both of the terms; the tape keeps the output. */
function addAndActivate(ledger: Ledger, inputs: Shadow[], bytes: number): Shadow {
  const sum = ledger.op(inputs, bytes, { passesGradient: true });
  const out = ledger.op([sum], bytes, { savesOutput: true });
  ledger.dispose(sum);
  return out;
}

/** A bias and an activation in one pass: only what bends needs its input for the gradient. */
function activate(ledger: Ledger, x: Shadow, activation: Activation | undefined): Shadow {
  return ledger.op([x], x.bytes, activation ? { saves: [x] } : { passesGradient: true });
}
