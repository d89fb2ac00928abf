/** One small network as a TFLite file and as a TFJS graph model: what the fuzzers start from. */
import { numbers } from "../onnx/models.ts";
import { tfliteModel } from "../tflite/models.ts";

const floats = (length: number, seed: number) => Float32Array.from(numbers(length, seed));

/** Convolutions, a sum, pooling, shape arithmetic and a dense layer with weights of 8 bits. */
export function smallTflite(): Uint8Array {
  return tfliteModel({
    tensors: [
      { name: "x", shape: [1, 8, 8, 3], signature: [-1, 8, 8, 3] },
      { name: "conv/w", shape: [4, 3, 3, 3], data: floats(108, 1) },
      { name: "conv/b", shape: [4], data: floats(4, 2) },
      { name: "conv", shape: [1, 8, 8, 4] },
      { name: "dw/w", shape: [1, 3, 3, 4], data: floats(36, 3) },
      { name: "dw", shape: [1, 8, 8, 4] },
      { name: "sum", shape: [1, 8, 8, 4] },
      { name: "pool", shape: [1, 4, 4, 4] },
      { name: "shape", shape: [4], type: 2 },
      { name: "zero", shape: [1], type: 2, data: Int32Array.of(0) },
      { name: "one", shape: [1], type: 2, data: Int32Array.of(1) },
      { name: "batch", shape: [], type: 2 },
      { name: "rest", shape: [], type: 2, data: Int32Array.of(64) },
      { name: "target", shape: [2], type: 2 },
      { name: "flat", shape: [1, 64] },
      {
        name: "dense/w",
        shape: [5, 64],
        type: 9,
        data: Int8Array.from(numbers(320, 4), (value) => Math.round(127 * value)),
        scale: [0.01, 0.02, 0.03, 0.04, 0.05],
      },
      { name: "dense", shape: [1, 5] },
      { name: "y", shape: [1, 5] },
    ],
    inputs: ["x"],
    outputs: ["y"],
    operators: [
      {
        op: "CONV_2D",
        inputs: ["x", "conv/w", "conv/b"],
        outputs: ["conv"],
        options: [
          ["byte", 0],
          ["int", 1],
          ["int", 1],
          ["byte", 3],
          ["int", 1],
          ["int", 1],
        ],
      },
      {
        op: "DEPTHWISE_CONV_2D",
        inputs: ["conv", "dw/w", ""],
        outputs: ["dw"],
        options: [
          ["byte", 0],
          ["int", 1],
          ["int", 1],
          ["int", 1],
          ["byte", 0],
          ["int", 1],
          ["int", 1],
        ],
      },
      { op: "ADD", inputs: ["conv", "dw"], outputs: ["sum"], options: [["byte", 1]] },
      {
        op: "MAX_POOL_2D",
        inputs: ["sum"],
        outputs: ["pool"],
        options: [
          ["byte", 1],
          ["int", 2],
          ["int", 2],
          ["int", 2],
          ["int", 2],
          ["byte", 0],
        ],
      },
      { op: "SHAPE", inputs: ["pool"], outputs: ["shape"] },
      {
        op: "STRIDED_SLICE",
        inputs: ["shape", "zero", "one", "one"],
        outputs: ["batch"],
        options: [
          ["int", 0],
          ["int", 0],
          ["int", 0],
          ["int", 0],
          ["int", 1],
        ],
      },
      {
        op: "PACK",
        inputs: ["batch", "rest"],
        outputs: ["target"],
        options: [
          ["int", 2],
          ["int", 0],
        ],
      },
      { op: "RESHAPE", inputs: ["pool", "target"], outputs: ["flat"] },
      {
        op: "FULLY_CONNECTED",
        inputs: ["flat", "dense/w", ""],
        outputs: ["dense"],
        options: [
          ["byte", 0],
          ["byte", 0],
          ["bool", true],
        ],
      },
      { op: "SOFTMAX", inputs: ["dense"], outputs: ["y"], options: [["float", 1]] },
    ],
  });
}

/** A node of a GraphDef in JSON. */
export interface NodeParts {
  name: string;
  op: string;
  input?: string[];
  attr?: Record<string, unknown>;
}

export interface GraphModel {
  json: Record<string, unknown>;
  weights: Uint8Array;
}

export const text = (value: string) => ({ s: btoa(value) });
export const integers = (...values: number[]) => ({ list: { i: values.map(String) } });
export const windows = (stride: number, padding: string) => ({
  strides: integers(1, stride, stride, 1),
  padding: text(padding),
  dilations: integers(1, 1, 1, 1),
  data_format: text("NHWC"),
  T: { type: "DT_FLOAT" },
});
export const fused = (...names: string[]) => ({
  fused_ops: { list: { s: names.map((name) => btoa(name)) } },
  num_args: { i: "1" },
});

/** A graph model; its constants become nodes and weights. */
export function graphModel(
  inputs: Record<string, (number | string)[]>,
  constants: Record<string, { shape: number[]; data: Float32Array | Int32Array }>,
  nodes: NodeParts[],
  outputs?: Record<string, string>,
): GraphModel {
  const dims = (shape: (number | string)[]) => ({ dim: shape.map((size) => ({ size: String(size) })) });
  const typeOf = (data: ArrayLike<number>) => (data instanceof Int32Array ? "DT_INT32" : "DT_FLOAT");
  const all = Object.entries(constants);
  const weights = new Uint8Array(all.reduce((sum, [, { data }]) => sum + data.byteLength, 0));
  let at = 0;
  for (const [, { data }] of all) {
    weights.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  const placeholders = Object.entries(inputs).map(([name, shape]) => ({
    name,
    op: "Placeholder",
    attr: { dtype: { type: "DT_FLOAT" }, shape: { shape: dims(shape) } },
  }));
  const known = all.map(([name, { shape, data }]) => ({
    name,
    op: "Const",
    attr: {
      dtype: { type: typeOf(data) },
      value: { tensor: { dtype: typeOf(data), tensorShape: dims(shape) } },
    },
  }));
  const json = {
    format: "graph-model",
    modelTopology: { node: [...placeholders, ...known, ...nodes], versions: { producer: 1 } },
    weightsManifest: [
      {
        paths: ["weights.bin"],
        weights: all.map(([name, { shape, data }]) => ({
          name,
          shape,
          dtype: data instanceof Int32Array ? "int32" : "float32",
        })),
      },
    ],
    ...(outputs && {
      signature: {
        outputs: Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name, { name: value }])),
      },
    }),
  };
  return { json, weights };
}

/** The same network as `smallTflite`, its shape arithmetic with an open batch. */
export function smallGraphModel(): GraphModel {
  return graphModel(
    { x: [-1, 8, 8, 3] },
    {
      "conv/w": { shape: [3, 3, 3, 4], data: floats(108, 1) },
      "conv/b": { shape: [4], data: floats(4, 2) },
      "dw/w": { shape: [3, 3, 4, 1], data: floats(36, 3) },
      zero: { shape: [1], data: Int32Array.of(0) },
      one: { shape: [1], data: Int32Array.of(1) },
      rest: { shape: [], data: Int32Array.of(64) },
      "dense/w": { shape: [64, 5], data: floats(320, 4) },
    },
    [
      {
        name: "conv",
        op: "_FusedConv2D",
        input: ["x", "conv/w", "conv/b"],
        attr: { ...windows(1, "SAME"), ...fused("BiasAdd", "Relu6") },
      },
      { name: "dw", op: "DepthwiseConv2dNative", input: ["conv", "dw/w"], attr: windows(1, "SAME") },
      { name: "sum", op: "AddV2", input: ["conv", "dw"], attr: { T: { type: "DT_FLOAT" } } },
      { name: "relu", op: "Relu", input: ["sum"], attr: { T: { type: "DT_FLOAT" } } },
      {
        name: "pool",
        op: "MaxPool",
        input: ["relu"],
        attr: { ...windows(2, "VALID"), ksize: integers(1, 2, 2, 1) },
      },
      { name: "shape", op: "Shape", input: ["pool"], attr: { out_type: { type: "DT_INT32" } } },
      {
        name: "batch",
        op: "StridedSlice",
        input: ["shape", "zero", "one", "one"],
        attr: {
          begin_mask: { i: "0" },
          end_mask: { i: "0" },
          ellipsis_mask: { i: "0" },
          new_axis_mask: { i: "0" },
          shrink_axis_mask: { i: "1" },
        },
      },
      { name: "target", op: "Pack", input: ["batch", "rest"], attr: { axis: { i: "0" }, N: { i: "2" } } },
      { name: "flat", op: "Reshape", input: ["pool", "target"] },
      {
        name: "dense",
        op: "MatMul",
        input: ["flat", "dense/w"],
        attr: { transpose_a: { b: false }, transpose_b: { b: false } },
      },
      { name: "y", op: "Softmax", input: ["dense"] },
    ],
    { scores: "y:0" },
  );
}
