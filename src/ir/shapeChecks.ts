/** What shape rules ask of nodes, and how they say that one does not fit. */
import { GenieError } from "../errors.ts";
import type { Graph, Node } from "./graph.ts";

export type Shape = number[];

/** The batch dimension, unknown until the graph runs. */
export const BATCH = -1;

/** Elements of a shape, the batch counting as 1. */
export function elementsPerImage(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * (size === BATCH ? 1 : size), 1);
}

/** The shape of an image. @throws GenieError `invalid-model` naming the node for another rank. */
export function image(node: Node, x: Shape): [number, number, number, number] {
  if (x.length !== 4) throw inconsistent(node, `it reads [N, H, W, C], not [${x}]`);
  return x as [number, number, number, number];
}

/** The shape of the node's weights: constant, of this rank. */
export function filterShape(graph: Graph, node: Node, shape: Shape, rank: number): Shape {
  if (!graph.constants.has(node.inputs[1]!)) {
    throw inconsistent(node, `its weights "${node.inputs[1]}" are computed by the network, not constant`);
  }
  if (shape.length !== rank || shape.includes(0)) {
    throw inconsistent(node, `its weights have shape [${shape}]; ${rank} positive dimensions expected`);
  }
  return shape;
}

/** Input `index` of the node, where present, is a constant vector of `channels` values. */
export function checkVector(graph: Graph, node: Node, index: number, channels: number): void {
  const name = node.inputs[index];
  if (name === undefined) return;
  const constant = graph.constants.get(name);
  if (!constant) throw inconsistent(node, `its parameter "${name}" is computed by the network, not constant`);
  if (constant.shape.length !== 1 || constant.shape[0] !== channels) {
    throw inconsistent(node, `its parameter "${name}" has shape [${constant.shape}], not [${channels}]`);
  }
}

export function checkIntegers(node: Node, attribute: string, values: readonly number[], least: number): void {
  if (!values.every((value) => isInteger(value, least))) {
    throw inconsistent(node, `its ${attribute} [${values}] must be integers of at least ${least}`);
  }
}

export function isInteger(value: number, least: number): boolean {
  return Number.isSafeInteger(value) && value >= least;
}

/** Axis counted from the front; never the batch. */
export function axisOf(node: Node, axis: number, rank: number): number {
  const positive = axis < 0 ? axis + rank : axis;
  if (!isInteger(positive, 1) || positive >= rank) {
    throw inconsistent(node, `its axis ${axis} is not one of the ${rank - 1} behind the batch`);
  }
  return positive;
}

export function inconsistent(node: Node, complaint: string): GenieError {
  return new GenieError("invalid-model", `node "${node.name}" (${node.op}): ${complaint}`);
}
