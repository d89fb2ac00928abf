/** Shape rules of what slides a window over an image, or stretches it. */
import type {
  Conv2dNode,
  ConvTranspose2dNode,
  DepthwiseConv2dNode,
  Graph,
  Node,
  Padding,
  PoolNode,
  ResizeNode,
} from "./graph.ts";
import { checkIntegers, checkVector, filterShape, image, inconsistent, type Shape } from "./shapeChecks.ts";

export function conv2dShape(graph: Graph, node: Conv2dNode, x: Shape, inputs: Shape[]): Shape {
  const [batch, height, width, channels] = image(node, x);
  const [kernelHeight, kernelWidth, groupChannels, outputs] = filterShape(graph, node, inputs[1]!, 4);
  checkGroups(node, groupChannels!, channels, outputs!, inputs[1]!, x);
  checkVector(graph, node, 2, outputs!);
  return [batch, ...windows(node, [height, width], [kernelHeight!, kernelWidth!]), outputs!];
}

export function depthwiseShape(graph: Graph, node: DepthwiseConv2dNode, x: Shape, inputs: Shape[]): Shape {
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

/** Longest side that a resize may give; positions are worked out pixel by pixel. */
const MAX_SIDE = 2 ** 16;

export function convTransposeShape(
  graph: Graph,
  node: ConvTranspose2dNode,
  x: Shape,
  inputs: Shape[],
): Shape {
  const [batch, height, width, channels] = image(node, x);
  const [kernelHeight, kernelWidth, groupChannels, outputs] = filterShape(graph, node, inputs[1]!, 4);
  checkGroups(node, groupChannels!, channels, outputs!, inputs[1]!, x);
  checkVector(graph, node, 2, outputs!);
  const { strides, dilations, padding, outputPadding } = node;
  checkWindows(node);
  checkIntegers(node, "outputPadding", outputPadding, 0);
  if (outputPadding.some((count, axis) => count >= strides[axis]!)) {
    throw inconsistent(
      node,
      `its output padding [${outputPadding}] is not less than its strides [${strides}]`,
    );
  }
  const [rows, columns] = extent([kernelHeight!, kernelWidth!], dilations);
  return [
    batch,
    (height - 1) * strides[0] + rows - padding.top - padding.bottom + outputPadding[0],
    (width - 1) * strides[1] + columns - padding.left - padding.right + outputPadding[1],
    outputs!,
  ];
}

export function poolShape(node: PoolNode, x: Shape): Shape {
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

export function resizeShape(node: ResizeNode, x: Shape): Shape {
  const [batch, , , channels] = image(node, x);
  checkIntegers(node, "size", node.size, 1);
  if (
    node.size.some((size) => size > MAX_SIDE) ||
    !node.scales.every((scale) => scale > 0 && scale < MAX_SIDE)
  ) {
    throw inconsistent(node, `it resizes [${x}] to [${node.size}] by [${node.scales}]`);
  }
  return [batch, ...node.size, channels];
}

/** Output size a dimension: ⌊(size + padding − extent) / stride⌋ + 1, where extent = (kernel − 1)·dilation + 1. */
function windows(
  node: Windowed,
  [height, width]: [number, number],
  kernel: [number, number],
): [number, number] {
  const { strides, dilations, padding } = node;
  checkWindows(node);
  const [rows, columns] = extent(kernel, dilations);
  return [
    Math.floor((height + padding.top + padding.bottom - rows) / strides[0]) + 1,
    Math.floor((width + padding.left + padding.right - columns) / strides[1]) + 1,
  ];
}

function checkGroups(
  node: Conv2dNode | ConvTranspose2dNode,
  groupChannels: number,
  channels: number,
  outputs: number,
  filter: Shape,
  x: Shape,
): void {
  checkIntegers(node, "groups", [node.groups], 1);
  if (groupChannels * node.groups !== channels) {
    throw inconsistent(
      node,
      `its filter [${filter}] in ${node.groups} group(s) reads ${groupChannels * node.groups} channels, its input [${x}] has ${channels}`,
    );
  }
  if (outputs % node.groups !== 0) {
    throw inconsistent(node, `its ${outputs} output channels do not divide into ${node.groups} groups`);
  }
}

type Windowed = Node & { strides: [number, number]; dilations: [number, number]; padding: Padding };

function checkWindows(node: Windowed): void {
  const { strides, dilations, padding } = node;
  checkIntegers(node, "strides", strides, 1);
  checkIntegers(node, "dilations", dilations, 1);
  checkIntegers(node, "padding", [padding.top, padding.bottom, padding.left, padding.right], 0);
}

function extent(kernel: [number, number], dilations: [number, number]): [number, number] {
  return [(kernel[0] - 1) * dilations[0] + 1, (kernel[1] - 1) * dilations[1] + 1];
}
