/** TFLite's operators as TensorFlow's: the name, and the options as attributes. */

import type { Table } from "./generated/tflite/table.ts";
import { type Field, type Options, readOptions } from "./options.ts";

interface Kind {
  /** TensorFlow's name of it. */
  type: string;
  fields?: readonly Field[];
  /** @param inputs How many are given. */
  attributes?: (options: Options, inputs: number) => Record<string, unknown>;
}

/** ActivationFunctionType by TensorFlow's names. */
const ACTIVATIONS = [undefined, "Relu", "ReluN1To1", "Relu6", "Tanh", "SignBit"];

const FUSED: readonly Field[] = [["fused", "byte"]];
const AXIS: readonly Field[] = [["axis", "int"], ...FUSED];

/** An element-wise operator with a function fused to it. */
const fusedTo = (type: string): Kind => ({
  type,
  fields: FUSED,
  attributes: (o) => ({ fused_ops: fusedOps(o) }),
});

const reducer = (type: string): Kind => ({ type, fields: [["keep_dims", "bool"]] });

const WINDOWS: readonly Field[] = [
  ["padding", "byte"],
  ["strideWidth", "int"],
  ["strideHeight", "int"],
];

function windows(o: Options): Record<string, unknown> {
  return {
    padding: ["SAME", "VALID"][Number(o.padding)] ?? String(o.padding),
    strides: [1, o.strideHeight, o.strideWidth, 1],
    ...(o.dilationHeight !== undefined && { dilations: [1, o.dilationHeight, o.dilationWidth, 1] }),
    ...(o.filterHeight !== undefined && { ksize: [1, o.filterHeight, o.filterWidth, 1] }),
  };
}

/** @param bias Whether an input is a bias. */
function fusedOps({ fused }: Options, bias = false): string[] {
  const activation = ACTIVATIONS[Number(fused)] ?? (fused ? String(fused) : undefined);
  return [...(bias ? ["BiasAdd"] : []), ...(activation ? [activation] : [])];
}

const DILATIONS: readonly Field[] = [
  ["dilationWidth", "int", 1],
  ["dilationHeight", "int", 1],
];

const pool = (type: string): Kind => ({
  type,
  fields: [...WINDOWS, ["filterWidth", "int"], ["filterHeight", "int"], ...FUSED],
  attributes: (o) => ({ ...windows(o), fused_ops: fusedOps(o) }),
});

const resize = (type: string, deprecated: readonly Field[]): Kind => ({
  type,
  fields: [...deprecated, ["align_corners", "bool"], ["half_pixel_centers", "bool"]],
});

/** TensorType's integers, which a cast makes of floats. */
const INTEGER_TYPES = [2, 3, 4, 7, 9, 12, 15, 16];

const kinds: Readonly<Record<string, Kind>> = {
  ABS: { type: "Abs" },
  ADD: fusedTo("AddV2"),
  ADD_N: { type: "AddN" },
  AVERAGE_POOL_2D: pool("AvgPool"),
  BATCH_MATMUL: {
    type: "BatchMatMulV2",
    fields: [
      ["adj_x", "bool"],
      ["adj_y", "bool"],
    ],
  },
  BROADCAST_TO: { type: "BroadcastTo" },
  CAST: {
    type: "Cast",
    fields: [
      ["from", "byte"],
      ["to", "byte"],
    ],
    attributes: (o) => ({ to_integer: INTEGER_TYPES.includes(Number(o.to)) }),
  },
  CEIL: { type: "Ceil" },
  CONCATENATION: {
    type: "Concat",
    fields: AXIS,
    attributes: (o) => ({ axis: o.axis, fused_ops: fusedOps(o) }),
  },
  CONV_2D: {
    type: "Conv2D",
    fields: [...WINDOWS, ...FUSED, ...DILATIONS],
    attributes: (o, inputs) => ({ ...windows(o), filter: "OHWI", fused_ops: fusedOps(o, inputs > 2) }),
  },
  DEPTHWISE_CONV_2D: {
    type: "DepthwiseConv2dNative",
    fields: [...WINDOWS, ["multiplier", "int"], ...FUSED, ...DILATIONS],
    attributes: (o, inputs) => ({ ...windows(o), filter: "1HWO", fused_ops: fusedOps(o, inputs > 2) }),
  },
  DEPTH_TO_SPACE: { type: "DepthToSpace", fields: [["block_size", "int"]] },
  DEQUANTIZE: { type: "Dequantize" },
  DIV: fusedTo("RealDiv"),
  ELU: { type: "Elu" },
  EXP: { type: "Exp" },
  EXPAND_DIMS: { type: "ExpandDims" },
  FILL: { type: "Fill" },
  FLOOR: { type: "Floor" },
  FLOOR_DIV: { type: "FloorDiv" },
  FLOOR_MOD: { type: "FloorMod" },
  FULLY_CONNECTED: {
    type: "FullyConnected",
    fields: [...FUSED, ["format", "byte"], ["keep_num_dims", "bool"]],
    attributes: (o, inputs) => ({ keep_num_dims: o.keep_num_dims, fused_ops: fusedOps(o, inputs > 2) }),
  },
  GATHER: {
    type: "GatherV2",
    fields: [
      ["axis", "int"],
      ["batch_dims", "int"],
    ],
  },
  GELU: { type: "Gelu", fields: [["approximate", "bool"]] },
  GREATER: { type: "Greater" },
  GREATER_EQUAL: { type: "GreaterEqual" },
  HARD_SWISH: { type: "HardSwish" },
  L2_NORMALIZATION: fusedTo("L2Normalization"),
  LEAKY_RELU: { type: "LeakyRelu", fields: [["alpha", "float"]] },
  LOG: { type: "Log" },
  LOGISTIC: { type: "Sigmoid" },
  LOG_SOFTMAX: { type: "LogSoftmax" },
  MAXIMUM: { type: "Maximum" },
  MAX_POOL_2D: pool("MaxPool"),
  MEAN: reducer("Mean"),
  MINIMUM: { type: "Minimum" },
  MIRROR_PAD: {
    type: "MirrorPad",
    fields: [["mode", "byte"]],
    attributes: (o) => ({ mode: o.mode === 0 ? "REFLECT" : "SYMMETRIC" }),
  },
  MUL: fusedTo("Mul"),
  NEG: { type: "Neg" },
  PACK: {
    type: "Pack",
    fields: [
      ["N", "int"],
      ["axis", "int"],
    ],
  },
  PAD: { type: "Pad" },
  PADV2: { type: "PadV2" },
  POW: { type: "Pow" },
  PRELU: { type: "Prelu" },
  QUANTIZE: { type: "Quantize" },
  RANGE: { type: "Range" },
  RANK: { type: "Rank" },
  REDUCE_MAX: reducer("Max"),
  REDUCE_MIN: reducer("Min"),
  REDUCE_PROD: reducer("Prod"),
  RELU: { type: "Relu" },
  RELU6: { type: "Relu6" },
  RELU_0_TO_1: { type: "Relu0To1" },
  RELU_N1_TO_1: { type: "ReluN1To1" },
  RESHAPE: { type: "Reshape", fields: [["new_shape", "ints"]] },
  RESIZE_BILINEAR: resize("ResizeBilinear", [
    ["height", "int"],
    ["width", "int"],
  ]),
  RESIZE_NEAREST_NEIGHBOR: resize("ResizeNearestNeighbor", []),
  REVERSE_V2: { type: "ReverseV2" },
  RSQRT: { type: "Rsqrt" },
  SELECT: { type: "Select" },
  SELECT_V2: { type: "SelectV2" },
  SHAPE: { type: "Shape" },
  SLICE: { type: "Slice" },
  SOFTMAX: { type: "Softmax", fields: [["beta", "float"]] },
  SPACE_TO_DEPTH: { type: "SpaceToDepth", fields: [["block_size", "int"]] },
  SPLIT: { type: "Split", fields: [["num_split", "int"]] },
  SPLIT_V: { type: "SplitV" },
  SQRT: { type: "Sqrt" },
  SQUARE: { type: "Square" },
  SQUARED_DIFFERENCE: { type: "SquaredDifference" },
  SQUEEZE: { type: "Squeeze", fields: [["squeeze_dims", "ints"]] },
  STRIDED_SLICE: {
    type: "StridedSlice",
    fields: ["begin", "end", "ellipsis", "new_axis", "shrink_axis"].map(
      (mask) => [`${mask}_mask`, "int"] as const,
    ),
  },
  SUB: fusedTo("Sub"),
  SUM: reducer("Sum"),
  TANH: { type: "Tanh" },
  TILE: { type: "Tile" },
  TRANSPOSE: { type: "Transpose" },
  TRANSPOSE_CONV: {
    type: "Conv2DBackpropInput",
    fields: [...WINDOWS, ...FUSED],
    attributes: (o, inputs) => ({ ...windows(o), filter: "OHWI", fused_ops: fusedOps(o, inputs > 3) }),
  },
  UNPACK: {
    type: "Unpack",
    fields: [
      ["num", "int"],
      ["axis", "int"],
    ],
  },
};

/** What the operator called `name` is to TensorFlow; one without a counterpart keeps its name, and is refused by it. */
export function toTensorFlow(
  name: string,
  options: Table | null,
  inputs: number,
): { type: string; attributes: Record<string, unknown> } {
  const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
  if (!kind) return { type: name, attributes: {} };
  const read = readOptions(options, kind.fields ?? []);
  return { type: kind.type, attributes: kind.attributes?.(read, inputs) ?? read };
}
