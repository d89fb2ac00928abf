/** The shape rule of each op: what a node's output measures, given what it reads. */
import type {
  BatchNormNode,
  BinaryNode,
  ConcatNode,
  DenseNode,
  GatherNode,
  Graph,
  MatMulNode,
  Node,
  PadNode,
  ReduceNode,
  ReshapeNode,
  SliceNode,
  TransposeNode,
} from "./graph.ts";
import {
  axisOf,
  BATCH,
  checkIntegers,
  checkVector,
  elementsPerImage,
  filterShape,
  image,
  inconsistent,
  isInteger,
  type Shape,
} from "./shapeChecks.ts";
import { conv2dShape, convTransposeShape, depthwiseShape, poolShape, resizeShape } from "./windowShapes.ts";

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
    case "convTranspose2d":
      return convTransposeShape(graph, node, x, inputs);
    case "dense":
      return denseShape(graph, node, x, inputs);
    case "batchNorm":
      return batchNormShape(graph, node, x, inputs);
    case "add":
    case "multiply":
    case "subtract":
    case "divide":
    case "power":
    case "minimum":
    case "maximum":
      return broadcastShape(node, x, inputs[1]!);
    case "matMul":
      return matMulShape(node, x, inputs[1]!);
    case "reduce":
      return reduceShape(node, x);
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
    case "resize":
      return resizeShape(node, x);
    case "pad":
      return padShape(node, x);
    case "slice":
      return sliceShape(node, x);
    case "gather":
      return gatherShape(node, x);
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

function denseShape(graph: Graph, node: DenseNode, x: Shape, inputs: Shape[]): Shape {
  if (x.length < 2) throw inconsistent(node, `it reads [N, …, I], not [${x}]`);
  const [features, outputs] = filterShape(graph, node, inputs[1]!, 2);
  if (features !== x.at(-1)) {
    throw inconsistent(
      node,
      `its kernel [${inputs[1]}] reads ${features} features, its input [${x}] has ${x.at(-1)}`,
    );
  }
  checkVector(graph, node, 2, outputs!);
  return [...x.slice(0, -1), outputs!];
}

function batchNormShape(graph: Graph, node: BatchNormNode, x: Shape, inputs: Shape[]): Shape {
  if (x.length < 2) throw inconsistent(node, `it reads [N, …, C], not [${x}]`);
  for (let i = 1; i < inputs.length; i++) checkVector(graph, node, i, x.at(-1)!);
  return x;
}

function matMulShape(node: MatMulNode, a: Shape, b: Shape): Shape {
  if (a.length < 3 || b.length !== a.length || a.at(-1) !== b.at(-2)) {
    throw inconsistent(node, `it multiplies matrices of [${a}] with those of [${b}]`);
  }
  return [...broadcastShape(node, a.slice(0, -2), b.slice(0, -2)), a.at(-2)!, b.at(-1)!];
}

function reduceShape(node: ReduceNode, x: Shape): Shape {
  const axes = node.axes.map((axis) => axisOf(node, axis, x.length));
  if (axes.length === 0 || new Set(axes).size !== axes.length) {
    throw inconsistent(node, `its axes [${node.axes}] are none, or one of them twice`);
  }
  return x.map((size, axis) => (axes.includes(axis) ? 1 : size));
}

function broadcastShape(node: BinaryNode | MatMulNode, a: Shape, b: Shape): Shape {
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

function gatherShape(node: GatherNode, x: Shape): Shape {
  const axis = axisOf(node, node.axis, x.length);
  const outside = node.indices.find((index) => !isInteger(index, 0) || index >= x[axis]!);
  if (outside !== undefined) {
    throw inconsistent(node, `its index ${outside} is outside axis ${axis} of its input [${x}]`);
  }
  return x.map((size, i) => (i === axis ? node.indices.length : size));
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

/** How many values each op reads, where it is not one. */
const ARITY: Partial<Record<Node["op"], [least: number, most: number]>> = {
  conv2d: [2, 3],
  depthwiseConv2d: [2, 3],
  convTranspose2d: [2, 3],
  dense: [2, 3],
  batchNorm: [5, 5],
  add: [2, 2],
  multiply: [2, 2],
  subtract: [2, 2],
  divide: [2, 2],
  power: [2, 2],
  minimum: [2, 2],
  maximum: [2, 2],
  matMul: [2, 2],
  concat: [1, Number.POSITIVE_INFINITY],
};

function checkArity(node: Node, count: number): void {
  const [least, most] = ARITY[node.op] ?? [1, 1];
  if (count < least || count > most) throw inconsistent(node, `it reads ${count} values`);
}
