/** What each of our nodes is in ONNX, opset 21. Operators: https://onnx.ai/onnx/operators/ */
import { GenieError } from "../../errors.ts";
import type {
  BatchNormNode,
  BinaryNode,
  Node,
  NodeOf,
  OpName,
  PadNode,
  PoolNode,
  ReshapeNode,
  ResizeNode,
  SliceNode,
  TransposeNode,
} from "../../ir/graph.ts";
import {
  dimensions,
  pads,
  writeConv2d,
  writeConvTranspose2d,
  writeDense,
  writeDepthwiseConv2d,
} from "./exportLayers.ts";
import type { Attribute } from "./fileBuilder.ts";
import { type GraphWriter, type Layout, NCHW, NHWC } from "./graphWriter.ts";
import { addQuantizeDequantize } from "./quantizeLinear.ts";

type NodeWriters = { [Op in OpName]: (node: NodeOf<Op>, writer: GraphWriter) => void };

const writers: NodeWriters = {
  conv2d: writeConv2d,
  depthwiseConv2d: writeDepthwiseConv2d,
  convTranspose2d: writeConvTranspose2d,
  dense: writeDense,
  batchNorm: writeBatchNorm,
  activation: (node, writer) => {
    const layout = writer.layoutOf(node.inputs[0]!);
    const output = writer.nameFor(node.output, layout);
    writer.addActivation(node.activation, node.name, writer.read(node.inputs[0]!, layout), output);
    writer.hold(node.output, layout, output);
  },
  add: (node, writer) => writeBinary(node, writer, "Add"),
  multiply: (node, writer) => writeBinary(node, writer, "Mul"),
  subtract: (node, writer) => writeBinary(node, writer, "Sub"),
  divide: (node, writer) => writeBinary(node, writer, "Div"),
  power: (node, writer) => writeBinary(node, writer, "Pow"),
  minimum: (node, writer) => writeBinary(node, writer, "Min"),
  maximum: (node, writer) => writeBinary(node, writer, "Max"),
  matMul: (node, writer) => {
    const inputs = node.inputs.map((input) => writer.read(input, "literal"));
    writer.emit(node, "MatMul", inputs, "literal");
  },
  reduce: (node, writer) => {
    const layout = writer.layoutOf(node.inputs[0]!);
    const axes = node.axes.map((axis) => fileAxisOf(node, axis, writer, layout));
    const inputs = [writer.read(node.inputs[0]!, layout), writer.int64s(`${node.output}_axes`, axes)];
    writer.emit(node, REDUCTIONS[node.kind], inputs, layout);
  },
  averagePool: (node, writer) =>
    writePool(node, writer, "AveragePool", { count_include_pad: { int: node.countPadding ? 1 : 0 } }),
  maxPool: (node, writer) => writePool(node, writer, "MaxPool"),
  globalAveragePool: (node, writer) =>
    writer.emit(node, "GlobalAveragePool", [writer.read(node.inputs[0]!, "nchw")], "nchw"),
  upsampleNearest: (node, writer) => {
    const scales = writer.floats(`${node.output}_scales`, [4], Float32Array.of(1, 1, ...node.factors));
    writer.emit(node, "Resize", [writer.read(node.inputs[0]!, "nchw"), "", scales], "nchw", {
      mode: { string: "nearest" },
      coordinate_transformation_mode: { string: "asymmetric" },
      nearest_mode: { string: "floor" },
    });
  },
  resize: writeResize,
  pad: writePad,
  slice: writeSlice,
  gather: (node, writer) => {
    const layout = writer.layoutOf(node.inputs[0]!);
    const indices = writer.int64s(`${node.output}_indices`, node.indices);
    const axis = fileAxis(node, node.axis, writer, layout);
    writer.emit(node, "Gather", [writer.read(node.inputs[0]!, layout), indices], layout, { axis });
  },
  concat: (node, writer) => {
    const layout = writer.commonLayout(node.inputs);
    const inputs = node.inputs.map((input) => writer.read(input, layout));
    writer.emit(node, "Concat", inputs, layout, { axis: fileAxis(node, node.axis, writer, layout) });
  },
  reshape: writeReshape,
  transpose: writeTranspose,
  softmax: (node, writer) => {
    const layout = writer.layoutOf(node.inputs[0]!);
    const axis = fileAxis(node, node.axis, writer, layout);
    writer.emit(node, "Softmax", [writer.read(node.inputs[0]!, layout)], layout, { axis });
  },
  fakeQuantize: (node, writer) => {
    const layout = writer.layoutOf(node.inputs[0]!);
    const input = writer.read(node.inputs[0]!, layout);
    const axis = layout === "nchw" ? 1 : writer.shapeOf(node.output).length - 1;
    const output = writer.nameFor(node.output, layout);
    addQuantizeDequantize(writer.file, node.name, input, output, node.params, axis);
    writer.hold(node.output, layout, output);
  },
};

const REDUCTIONS = { mean: "ReduceMean", sum: "ReduceSum", max: "ReduceMax", min: "ReduceMin" } as const;

export function writeNode(node: Node, writer: GraphWriter): void {
  // The table's key and the node's `op` are the same, which TypeScript cannot follow through the lookup.
  (writers[node.op] as (node: Node, writer: GraphWriter) => void)(node, writer);
}

function writePool(
  node: PoolNode,
  writer: GraphWriter,
  opType: "AveragePool" | "MaxPool",
  attributes: Record<string, Attribute> = {},
): void {
  writer.emit(node, opType, [writer.read(node.inputs[0]!, "nchw")], "nchw", {
    kernel_shape: { ints: node.kernel },
    strides: { ints: node.strides },
    pads: { ints: pads(node.padding) },
    dilations: { ints: node.dilations },
    ...attributes,
  });
}

function writeBatchNorm(node: BatchNormNode, writer: GraphWriter): void {
  const rank = writer.shapeOf(node.output).length;
  if (rank !== 2 && rank !== 4) {
    throw new GenieError(
      "unsupported-operator",
      `node "${node.name}" normalizes ${rank} dimensions, whose channels are not where ONNX wants them`,
    );
  }
  const layout = rank === 4 ? "nchw" : "literal";
  const parameters = node.inputs.slice(1).map((name) => writer.vector(name));
  writer.emit(node, "BatchNormalization", [writer.read(node.inputs[0]!, layout), ...parameters], layout, {
    epsilon: { float: node.epsilon },
  });
}

/** NumPy aligns the last axes; the file's are others than ours as soon as one operand is NCHW. */
function writeBinary(
  node: BinaryNode,
  writer: GraphWriter,
  opType: "Add" | "Mul" | "Sub" | "Div" | "Pow" | "Min" | "Max",
): void {
  const rank = writer.shapeOf(node.output).length;
  const layout = writer.commonLayout(node.inputs);
  const inputs = node.inputs.map((name) =>
    writer.isConstant(name) ? writer.broadcastConstant(name, layout, rank) : writer.read(name, layout),
  );
  writer.emit(node, opType, inputs, layout);
}

/** By the scales where they give the size; else by the size, whose quotients they then are. */
function writeResize(node: ResizeNode, writer: GraphWriter): void {
  const [, height, width] = dimensions(writer.shapeOf(node.inputs[0]!));
  // Shapes are inferred in double precision, and computed in single.
  const isScaled = [height, width].every((size, axis) => {
    const exact = size * Math.fround(node.scales[axis]!);
    return [exact, Math.fround(exact)].every((length) => Math.floor(length) === node.size[axis]);
  });
  const x = writer.read(node.inputs[0]!, "nchw");
  const operands = isScaled
    ? [x, "", writer.floats(`${node.output}_scales`, [2], Float32Array.from(node.scales))]
    : [x, "", "", writer.int64s(`${node.output}_sizes`, node.size)];
  // Operator set 13 dropped TensorFlow's name for what rounds to the nearest centre.
  const isOfTensorFlow = node.coordinates === "tf_half_pixel_for_nn" && node.rounding === "floor";
  writer.emit(node, "Resize", operands, "nchw", {
    axes: { ints: [2, 3] },
    mode: { string: node.mode },
    coordinate_transformation_mode: { string: isOfTensorFlow ? "half_pixel" : node.coordinates },
    nearest_mode: { string: isOfTensorFlow ? "round_prefer_ceil" : node.rounding },
  });
}

function writePad(node: PadNode, writer: GraphWriter): void {
  const layout = writer.layoutOf(node.inputs[0]!);
  const amounts = [...inFileOrder(node.before, layout), ...inFileOrder(node.after, layout)];
  const inputs = [writer.read(node.inputs[0]!, layout), writer.int64s(`${node.output}_pads`, amounts)];
  if (node.mode === "constant") {
    inputs.push(writer.floats(`${node.output}_value`, [], Float32Array.of(node.value)));
  }
  writer.emit(node, "Pad", inputs, layout, { mode: { string: node.mode } });
}

/** Only the axes that lose something are named: the batch has no end to name. */
function writeSlice(node: SliceNode, writer: GraphWriter): void {
  const layout = writer.layoutOf(node.inputs[0]!);
  const sizes = writer.shapeOf(node.inputs[0]!);
  const axes = node.begin
    .map((_, axis) => axis)
    .filter((axis) => node.begin[axis] !== 0 || node.end[axis] !== sizes[axis] || node.steps[axis] !== 1);
  const x = writer.read(node.inputs[0]!, layout);
  if (axes.length === 0) {
    writer.emit(node, "Identity", [x], layout);
    return;
  }
  const operand = (what: string, value: (axis: number) => number) =>
    writer.int64s(`${node.output}_${what}`, axes.map(value));
  const inputs = [
    x,
    operand("starts", (axis) => node.begin[axis]!),
    operand("ends", (axis) => node.end[axis]!),
    operand("axes", (axis) => (layout === "nchw" ? NHWC[axis]! : axis)),
    operand("steps", (axis) => node.steps[axis]!),
  ];
  writer.emit(node, "Slice", inputs, layout);
}

/**
 * Reshape keeps row-major order, and ours is that of NHWC. Where H·W or C is 1, NCHW's is the same; else the
 * value is read literally. A tensor that has its new shape already only gets another name.
 */
function writeReshape(node: ReshapeNode, writer: GraphWriter): void {
  const input = node.inputs[0]!;
  const from = writer.shapeOf(input);
  const isUnchanged = isSame(from, node.shape);
  const source = isUnchanged || isSameOrder(from) ? writer.layoutOf(input) : "literal";
  // [N, 1, 1, C] is one value a channel, which what follows wants as [N, C, 1, 1].
  const isVector = node.shape.length === 4 && node.shape[1]! * node.shape[2]! === 1;
  const layout = isUnchanged ? source : isVector ? "nchw" : "literal";
  const x = writer.read(input, source);
  const shape = inFileOrder(node.shape, layout);
  if (isSame(inFileOrder(from, source), shape)) {
    writer.hold(node.output, layout, x);
  } else if (shape.length === 2) {
    writer.emit(node, "Flatten", [x], layout, { axis: { int: 1 } });
  } else {
    writer.emit(node, "Reshape", [x, writer.int64s(`${node.output}_shape`, shape)], layout);
  }
}

/** A transposition between NHWC and NCHW only changes which of the two layouts the file's tensor is in. */
function writeTranspose(node: TransposeNode, writer: GraphWriter): void {
  const { permutation } = node;
  const input = node.inputs[0]!;
  if (isSame(permutation, NCHW)) {
    writer.hold(node.output, "literal", writer.read(input, "nchw"));
  } else if (isSame(permutation, NHWC)) {
    writer.hold(node.output, "nchw", writer.read(input, "literal"));
  } else {
    const layout = writer.layoutOf(input);
    const perm = layout === "nchw" ? NCHW.map((axis) => NHWC[permutation[axis]!]!) : permutation;
    writer.emit(node, "Transpose", [writer.read(input, layout)], layout, { perm: { ints: perm } });
  }
}

function fileAxis(node: Node, axis: number, writer: GraphWriter, layout: Layout): Attribute {
  return { int: fileAxisOf(node, axis, writer, layout) };
}

function fileAxisOf(node: Node, axis: number, writer: GraphWriter, layout: Layout): number {
  const positive = axis < 0 ? axis + writer.shapeOf(node.output).length : axis;
  return layout === "nchw" ? NHWC[positive]! : positive;
}

function inFileOrder(values: readonly number[], layout: Layout): readonly number[] {
  return layout === "nchw" ? NCHW.map((axis) => values[axis]!) : values;
}

function isSameOrder(shape: readonly number[]): boolean {
  return shape.length === 4 && (shape[1]! * shape[2]! === 1 || shape[3] === 1);
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}
