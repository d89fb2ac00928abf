/** 1-D networks as 2-D ones of height 1: what stands between their convolutions works on the images themselves. */
import type { Graph, Node, ReshapeNode } from "../../../ir/graph.ts";
import { freshName, isBinary, removeDead, valueNames } from "../../../ir/rewrite.ts";
import { inferShapes } from "../../../ir/shapes.ts";

/** A value that is another one with dimensions of 1 left out or put in, the batch and the channels in their places. */
interface Viewed {
  source: string;
  shape: readonly number[];
}

/**
 * Moves every reshape that only leaves out or puts in dimensions of 1 behind the element-wise nodes that read it, and
 * drops those that undo each other. So a convolution's activation and BatchNorm follow it at once, and fold into it.
 */
export function sinkReshapes(graph: Graph): Graph {
  if (!graph.nodes.some(({ op }) => op === "reshape")) return graph;
  const shapes = inferShapes(graph);
  const taken = new Set([...valueNames(graph), ...graph.nodes.map(({ name }) => name)]);
  const views = new Map<string, Viewed>();
  /** Values that are the same as others, which were there before. */
  const same = new Map<string, string>();
  const nodes: Node[] = [];
  for (const given of graph.nodes) {
    const node = { ...given, inputs: given.inputs.map((name) => same.get(name) ?? name) };
    if (node.op === "reshape") {
      const source = views.get(node.inputs[0]!)?.source ?? node.inputs[0]!;
      const shape = shapes.get(source)!;
      if (isSame(shape, node.shape) && !graph.outputs.includes(node.output)) {
        same.set(node.output, source);
        continue;
      }
      if (isView(shape, node.shape)) views.set(node.output, { source, shape });
      nodes.push({ ...node, inputs: [source] });
      continue;
    }
    const view = viewOf(node, views, graph);
    if (!view) {
      nodes.push(node);
      continue;
    }
    const output = freshName(taken, `${node.output}/image`);
    const inputs = node.inputs.map((name) => views.get(name)?.source ?? name);
    const restored: ReshapeNode = {
      op: "reshape",
      name: freshName(taken, `${node.name}/shape`),
      inputs: [output],
      output: node.output,
      shape: [...shapes.get(node.output)!],
    };
    nodes.push({ ...node, inputs, output }, restored);
    shapes.set(output, [...view.shape]);
    views.set(node.output, { source: output, shape: view.shape });
  }
  return removeDead({ ...graph, nodes });
}

/** The shape in which the node can work on what its operands are views of, if they all have one. */
function viewOf(node: Node, views: ReadonlyMap<string, Viewed>, graph: Graph): Viewed | undefined {
  const view = views.get(node.inputs.find((name) => !graph.constants.has(name))!);
  if (!view) return undefined;
  const isAlike = (name: string): boolean => {
    const constant = graph.constants.get(name);
    // [C] and single numbers stand beside the channels in any rank.
    if (constant) return constant.shape.length === 1;
    return isSame(views.get(name)?.shape ?? [], view.shape);
  };
  if (node.op === "activation" || node.op === "batchNorm") return view;
  return isBinary(node) && node.inputs.every(isAlike) ? view : undefined;
}

function isView(from: readonly number[], to: readonly number[]): boolean {
  const others = (shape: readonly number[]) => shape.slice(1, -1).filter((size) => size !== 1);
  return from.at(-1) === to.at(-1) && isSame(others(from), others(to));
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}
