/** The shape rule of each op: what a node's output measures, given what it reads. */
import { GenieError } from "../errors.ts";
import type {
  BatchNormNode,
  BinaryNode,
  ConcatNode,
  Conv2dNode,
  DenseNode,
  DepthwiseConv2dNode,
  Graph,
  Node,
  Padding,
  PadNode,
  PoolNode,
  ReshapeNode,
  SliceNode,
  TransposeNode,
} from "./graph.ts";

export type Shape = number[];

/** The batch dimension, unknown until the graph runs. */
export const BATCH = -1;

/** Elements of a shape, the batch counting as 1. */
export function elementsPerImage(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * (size === BATCH ? 1 : size), 1);
}

/**
 * Shape of what `node` writes, from the shapes of what it reads.
 *
 * @throws GenieError `invalid-model` naming the node.
 */
export function outputShape(graph: Graph, node: Node, inputs: Shape[]): Shape {
  checkArity(node, inputs.length);
  const x = inputs[0]!;
  switch (node.op) {
    case "conv2d":
      return conv2dShape(graph, node, x, inputs);
    case "depthwiseConv2d":
      return depthwiseShape(graph, node, x, inputs);
    case "dense":
      return denseShape(graph, node, x, inputs);
    case "batchNorm":
      return batchNormShape(graph, node, x, inputs);
    case "add":
    case "multiply":
      return broadcastShape(node, x, inputs[1]!);
    case "averagePool":
    case "maxPool":
      return poolShape(node, x);
    case "globalAveragePool": {
      const [batch, , , channels] = image(node, x);
      return [batch, 1, 1, channels];
    }
    case "upsampleNearest": {
      const [batch, height, width, channels] = image(node, x);
      checkIntegers(node, "factors", node.factors, 1);
      return [batch, height * node.factors[0], width * node.factors[1], channels];
    }
    case "pad":
      return padShape(node, x);
    case "slice":
      return sliceShape(node, x);
    case "concat":
      return concatShape(node, inputs);
    case "reshape":
      return reshapeShape(node, x);
    case "transpose":
      return transposeShape(node, x);
    case "softmax":
      axisOf(node, node.axis, x.length);
      return x;
    case "activation":
      return x;
    case "fakeQuantize":
      return fakeQuantizeShape(node.params.scale.length, node, x);
  }
}

function conv2dShape(graph: Graph, node: Conv2dNode, x: Shape, inputs: Shape[]): Shape {
  const [batch, height, width, channels] = image(node, x);
  const [kernelHeight, kernelWidth, groupChannels, outputs] = filterShape(graph, node, inputs[1]!, 4);
  checkIntegers(node, "groups", [node.groups], 1);
  if (groupChannels! * node.groups !== channels) {
    throw inconsistent(
      node,
      `its filter [${inputs[1]}] in ${node.groups} group(s) reads ${groupChannels! * node.groups} channels, its input [${x}] has ${channels}`,
    );
  }
  if (outputs! % node.groups !== 0) {
    throw inconsistent(node, `its ${outputs} output channels do not divide into ${node.groups} groups`);
  }
  checkVector(graph, node, 2, outputs!);
  return [batch, ...windows(node, [height, width], [kernelHeight!, kernelWidth!]), outputs!];
}

function depthwiseShape(graph: Graph, node: DepthwiseConv2dNode, x: Shape, inputs: Shape[]): Shape {
  const [batch, height, width, channels] = image(node, x);
  const [kernelHeight, kernelWidth, filterChannels, multiplier] = filterShape(graph, node, inputs[1]!, 4);
  if (filterChannels !== channels) {
    throw inconsistent(
      node,
      `its filter [${inputs[1]}] reads ${filterChannels} channels, its input [${x}] has ${channels}`,
    );
  }
  checkVector(graph, node, 2, channels * multiplier!);
  return [batch, ...windows(node, [height, width], [kernelHeight!, kernelWidth!]), channels * multiplier!];
}

function denseShape(graph: Graph, node: DenseNode, x: Shape, inputs: Shape[]): Shape {
  if (x.length !== 2) throw inconsistent(node, `it reads [N, I], not [${x}]`);
  const [features, outputs] = filterShape(graph, node, inputs[1]!, 2);
  if (features !== x[1]) {
    throw inconsistent(
      node,
      `its kernel [${inputs[1]}] reads ${features} features, its input [${x}] has ${x[1]}`,
    );
  }
  checkVector(graph, node, 2, outputs!);
  return [x[0]!, outputs!];
}

function batchNormShape(graph: Graph, node: BatchNormNode, x: Shape, inputs: Shape[]): Shape {
  if (x.length < 2) throw inconsistent(node, `it reads [N, …, C], not [${x}]`);
  for (let i = 1; i < inputs.length; i++) checkVector(graph, node, i, x.at(-1)!);
  return x;
}

function broadcastShape(node: BinaryNode, a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  const at = (shape: Shape, axis: number) => shape[axis - rank + shape.length] ?? 1;
  return Array.from({ length: rank }, (_, axis) => {
    const [left, right] = [at(a, axis), at(b, axis)];
    if (left !== right && left !== 1 && right !== 1) {
      throw inconsistent(node, `its inputs [${a}] and [${b}] do not broadcast`);
    }
    return left === 1 ? right : left;
  });
}

function poolShape(node: PoolNode, x: Shape): Shape {
  const [batch, height, width, channels] = image(node, x);
  checkIntegers(node, "kernel", node.kernel, 1);
  const out = windows(node, [height, width], node.kernel);
  const { top, bottom, left, right } = node.padding;
  const [rows, columns] = extent(node.kernel, node.dilations);
  if (Math.max(top, bottom) >= rows || Math.max(left, right) >= columns) {
    throw inconsistent(
      node,
      `its padding is as wide as its window [${rows}, ${columns}]: some windows hold no pixel`,
    );
  }
  return [batch, ...out, channels];
}

function padShape(node: PadNode, x: Shape): Shape {
  const { before, after } = node;
  if (before.length !== x.length || after.length !== x.length) {
    throw inconsistent(node, `it pads ${before.length} and ${after.length} axes of an input of shape [${x}]`);
  }
  checkIntegers(node, "before", before, 0);
  checkIntegers(node, "after", after, 0);
  if (before[0] !== 0 || after[0] !== 0) throw inconsistent(node, "it pads the batch");
  if (node.mode === "reflect" && x.some((size, i) => i > 0 && Math.max(before[i]!, after[i]!) >= size)) {
    throw inconsistent(node, `it reflects more elements than its input [${x}] has`);
  }
  return x.map((size, i) => (i === 0 ? size : size + before[i]! + after[i]!));
}

function sliceShape(node: SliceNode, x: Shape): Shape {
  const { begin, end, steps } = node;
  if ([begin, end, steps].some((values) => values.length !== x.length)) {
    throw inconsistent(
      node,
      `its begin, end and steps do not all name the ${x.length} axes of its input [${x}]`,
    );
  }
  checkIntegers(node, "begin", begin, 0);
  checkIntegers(node, "steps", steps, 1);
  if (x[0] === BATCH && (begin[0] !== 0 || end[0] !== -1 || steps[0] !== 1)) {
    throw inconsistent(node, "it slices the batch");
  }
  return x.map((size, i) => {
    if (size === BATCH) return size;
    if (!isInteger(end[i]!, 0) || end[i]! > size) {
      throw inconsistent(node, `it slices [${begin}] to [${end}] of an input of shape [${x}]`);
    }
    return Math.ceil((end[i]! - begin[i]!) / steps[i]!);
  });
}

function concatShape(node: ConcatNode, inputs: Shape[]): Shape {
  const first = inputs[0]!;
  const axis = axisOf(node, node.axis, first.length);
  for (const shape of inputs) {
    if (shape.length !== first.length || shape.some((size, i) => i !== axis && size !== first[i])) {
      throw inconsistent(node, `its inputs [${first}] and [${shape}] differ beside axis ${axis}`);
    }
  }
  const total = inputs.reduce((sum, shape) => sum + shape[axis]!, 0);
  return first.map((size, i) => (i === axis ? total : size));
}

function reshapeShape(node: ReshapeNode, x: Shape): Shape {
  const [batch, ...rest] = node.shape;
  if (batch !== BATCH || x[0] !== BATCH)
    throw inconsistent(node, "it must keep the batch as the first dimension");
  checkIntegers(node, "shape", rest, 1);
  if (elementsPerImage(rest) !== elementsPerImage(x)) {
    throw inconsistent(
      node,
      `it reshapes [${x}] to [${node.shape}], which holds a different number of elements`,
    );
  }
  return node.shape;
}

function transposeShape(node: TransposeNode, x: Shape): Shape {
  const sorted = [...node.permutation].sort((a, b) => a - b);
  if (sorted.length !== x.length || sorted.some((axis, i) => axis !== i)) {
    throw inconsistent(node, `[${node.permutation}] does not permute the axes of its input [${x}]`);
  }
  return node.permutation.map((axis) => x[axis]!);
}

function fakeQuantizeShape(scales: number, node: Node, x: Shape): Shape {
  if (scales !== 1 && scales !== x.at(-1)) {
    throw inconsistent(node, `it has ${scales} scales for an input of shape [${x}]`);
  }
  return x;
}

/** Output size a dimension: ⌊(size + padding − extent) / stride⌋ + 1, where extent = (kernel − 1)·dilation + 1. */
function windows(
  node: Node & { strides: [number, number]; dilations: [number, number]; padding: Padding },
  [height, width]: [number, number],
  kernel: [number, number],
): [number, number] {
  const { strides, dilations, padding } = node;
  checkIntegers(node, "strides", strides, 1);
  checkIntegers(node, "dilations", dilations, 1);
  checkIntegers(node, "padding", [padding.top, padding.bottom, padding.left, padding.right], 0);
  const [rows, columns] = extent(kernel, dilations);
  return [
    Math.floor((height + padding.top + padding.bottom - rows) / strides[0]) + 1,
    Math.floor((width + padding.left + padding.right - columns) / strides[1]) + 1,
  ];
}

function extent(kernel: [number, number], dilations: [number, number]): [number, number] {
  return [(kernel[0] - 1) * dilations[0] + 1, (kernel[1] - 1) * dilations[1] + 1];
}

function image(node: Node, x: Shape): [number, number, number, number] {
  if (x.length !== 4) throw inconsistent(node, `it reads [N, H, W, C], not [${x}]`);
  return x as [number, number, number, number];
}

function filterShape(graph: Graph, node: Node, shape: Shape, rank: number): Shape {
  if (!graph.constants.has(node.inputs[1]!)) {
    throw inconsistent(node, `its weights "${node.inputs[1]}" are computed by the network, not constant`);
  }
  if (shape.length !== rank || shape.includes(0)) {
    throw inconsistent(node, `its weights have shape [${shape}]; ${rank} positive dimensions expected`);
  }
  return shape;
}

/** Input `index` of the node, where present, is a constant vector of `channels` values. */
function checkVector(graph: Graph, node: Node, index: number, channels: number): void {
  const name = node.inputs[index];
  if (name === undefined) return;
  const constant = graph.constants.get(name);
  if (!constant) throw inconsistent(node, `its parameter "${name}" is computed by the network, not constant`);
  if (constant.shape.length !== 1 || constant.shape[0] !== channels) {
    throw inconsistent(node, `its parameter "${name}" has shape [${constant.shape}], not [${channels}]`);
  }
}

const ARITY: Partial<Record<Node["op"], [least: number, most: number]>> = {
  conv2d: [2, 3],
  depthwiseConv2d: [2, 3],
  dense: [2, 3],
  batchNorm: [5, 5],
  add: [2, 2],
  multiply: [2, 2],
  concat: [1, Number.POSITIVE_INFINITY],
};

function checkArity(node: Node, count: number): void {
  const [least, most] = ARITY[node.op] ?? [1, 1];
  if (count < least || count > most) throw inconsistent(node, `it reads ${count} values`);
}

function checkIntegers(node: Node, attribute: string, values: readonly number[], least: number): void {
  if (!values.every((value) => isInteger(value, least))) {
    throw inconsistent(node, `its ${attribute} [${values}] must be integers of at least ${least}`);
  }
}

export function isInteger(value: number, least: number): boolean {
  return Number.isSafeInteger(value) && value >= least;
}

/** Axis counted from the front; never the batch. */
function axisOf(node: Node, axis: number, rank: number): number {
  const positive = axis < 0 ? axis + rank : axis;
  if (!isInteger(positive, 1) || positive >= rank) {
    throw inconsistent(node, `its axis ${axis} is not one of the ${rank - 1} behind the batch`);
  }
  return positive;
}

export function inconsistent(node: Node, complaint: string): GenieError {
  return new GenieError("invalid-model", `node "${node.name}" (${node.op}): ${complaint}`);
}
