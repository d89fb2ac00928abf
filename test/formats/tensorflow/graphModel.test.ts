/** TensorFlow's operators as TFJS graph models, each held against tfjs's own executor. */
import { describe, expect, it } from "vitest";
import { GenieError } from "../../../src/errors.ts";
import type { Graph } from "../../../src/ir/graph.ts";
import { loadModel } from "../../../src/session/load.ts";
import { evaluate } from "../../ir/evaluate.ts";
import { bytesOf } from "../tfjs/tfjsModels.ts";
import {
  fused,
  type GraphModel,
  graphModel,
  integers,
  type NodeParts,
  smallGraphModel,
  text,
  windows,
} from "./fixtures.ts";
import { relativeError, runGraphModel, seeded } from "./support.ts";

type Constants = Parameters<typeof graphModel>[1];

const i32 = (...values: number[]) => ({ shape: [values.length], data: Int32Array.from(values) });
const scalar = (value: number) => ({ shape: [], data: Int32Array.of(value) });
const f32 = (shape: number[], seed = 1) => ({ shape, data: seeded(shape, seed) });
const number = (value: number) => ({ shape: [], data: Float32Array.of(value) });

function load({ json, weights }: GraphModel, inputShape?: number[]): Promise<Graph> {
  return loadModel(bytesOf(json), { inputShape, readShard: async () => weights });
}

async function expectLikeTfjs(model: GraphModel, shape: number[]): Promise<Graph> {
  const graph = await load(model);
  const data = seeded(shape);
  const wanted = [...(await runGraphModel(model.json, model.weights, shape, data)).values()];
  const values = evaluate(graph, { [graph.inputs[0]!.name]: data });
  expect(graph.outputs).toHaveLength(wanted.length);
  for (const [i, name] of graph.outputs.entries()) {
    expect(relativeError(values.get(name)!, wanted[i]!)).toBeLessThan(1e-5);
  }
  return graph;
}

/** One operator that reads x and constants. */
interface Case {
  shape: number[];
  op: string;
  input?: string[];
  constants?: Constants;
  attr?: NodeParts["attr"];
}

const IMAGE = [1, 6, 5, 4];
const reduction = (op: string, keep: boolean, ...axes: number[]): Case => ({
  shape: IMAGE,
  op,
  input: ["x", "axes"],
  constants: { axes: i32(...axes) },
  attr: { keep_dims: { b: keep } },
});
const binary = (op: string, other: Constants[string]): Case => ({
  shape: IMAGE,
  op,
  input: ["x", "c"],
  constants: { c: other },
});
const unary = (op: string, attr: NodeParts["attr"] = {}): Case => ({ shape: IMAGE, op, attr });

const cases: Record<string, Case> = {
  ...Object.fromEntries(
    [
      "Relu",
      "Relu6",
      "Elu",
      "Selu",
      "Sigmoid",
      "Tanh",
      "Softplus",
      "Exp",
      "Abs",
      "Neg",
      "Square",
      "Erf",
      "Softmax",
    ].map((op) => [op, unary(op)]),
  ),
  LeakyRelu: unary("LeakyRelu", { alpha: { f: 0.3 } }),
  LogSoftmax: { shape: [1, 7], op: "LogSoftmax" },
  "Prelu with a slope a channel": { ...binary("Prelu", f32([4], 5)) },
  "Add of a vector": binary("AddV2", f32([4], 5)),
  "Sub of an image": binary("Sub", f32([1, 6, 5, 4], 5)),
  "Sub from a constant": { ...binary("Sub", number(2)), input: ["c", "x"] },
  "Mul by one number": binary("Mul", number(3)),
  "RealDiv by a column": binary("RealDiv", f32([6, 1, 1], 6)),
  "Maximum with one number": binary("Maximum", number(0.1)),
  "Minimum with a vector": binary("Minimum", f32([4], 7)),
  SquaredDifference: binary("SquaredDifference", f32([4], 8)),
  "Conv2D, SAME, strides": {
    shape: [1, 9, 8, 3],
    op: "Conv2D",
    input: ["x", "w"],
    constants: { w: f32([3, 2, 3, 5]) },
    attr: windows(2, "SAME"),
  },
  "Conv2D, VALID, dilated": {
    shape: [1, 9, 8, 3],
    op: "Conv2D",
    input: ["x", "w"],
    constants: { w: f32([3, 2, 3, 5]) },
    attr: { ...windows(1, "VALID"), dilations: integers(1, 2, 2, 1) },
  },
  "_FusedConv2D with bias and Relu": {
    shape: [1, 9, 8, 3],
    op: "_FusedConv2D",
    input: ["x", "w", "b"],
    constants: { w: f32([3, 3, 3, 5]), b: f32([5], 2) },
    attr: { ...windows(1, "SAME"), ...fused("BiasAdd", "Relu") },
  },
  "FusedDepthwiseConv2dNative with a multiplier": {
    shape: IMAGE,
    op: "FusedDepthwiseConv2dNative",
    input: ["x", "w", "b"],
    constants: { w: f32([3, 3, 4, 2]), b: f32([8], 2) },
    attr: { ...windows(1, "SAME"), ...fused("BiasAdd", "Relu6") },
  },
  "Conv2DBackpropInput, SAME": {
    shape: IMAGE,
    op: "Conv2DBackpropInput",
    input: ["size", "w", "x"],
    constants: { size: i32(1, 12, 10, 3), w: f32([3, 3, 3, 4]) },
    attr: windows(2, "SAME"),
  },
  "Conv2DBackpropInput, VALID": {
    shape: IMAGE,
    op: "Conv2DBackpropInput",
    input: ["size", "w", "x"],
    constants: { size: i32(1, 13, 11, 3), w: f32([3, 3, 3, 4]) },
    attr: windows(2, "VALID"),
  },
  FusedBatchNormV3: {
    shape: IMAGE,
    op: "FusedBatchNormV3",
    input: ["x", "scale", "offset", "mean", "variance"],
    constants: {
      scale: f32([4], 2),
      offset: f32([4], 3),
      mean: f32([4], 4),
      variance: { shape: [4], data: Float32Array.of(0.5, 1, 2, 3) },
    },
    attr: { epsilon: { f: 0.01 }, is_training: { b: false }, data_format: text("NHWC") },
  },
  "_FusedMatMul with bias and Relu": {
    shape: [1, 6],
    op: "_FusedMatMul",
    input: ["x", "w", "b"],
    constants: { w: f32([6, 16], 5), b: f32([16], 2) },
    attr: { transpose_a: { b: false }, transpose_b: { b: false }, ...fused("BiasAdd", "Relu") },
  },
  "MatMul with a transposed kernel": {
    shape: [1, 6],
    op: "MatMul",
    input: ["x", "w"],
    constants: { w: f32([3, 6]) },
    attr: { transpose_a: { b: false }, transpose_b: { b: true } },
  },
  "MaxPool, SAME": {
    shape: IMAGE,
    op: "MaxPool",
    attr: { ...windows(2, "SAME"), ksize: integers(1, 3, 3, 1) },
  },
  "AvgPool, SAME": {
    shape: IMAGE,
    op: "AvgPool",
    attr: { ...windows(2, "SAME"), ksize: integers(1, 3, 3, 1) },
  },
  "Mean of the image": reduction("Mean", false, 1, 2),
  "Mean of channels, kept": reduction("Mean", true, -1),
  "Max of the image": reduction("Max", true, 1, 2),
  "Sum of rows": reduction("Sum", false, 1),
  "Min of columns": reduction("Min", false, 2),
  "Transpose of rows and channels": {
    shape: IMAGE,
    op: "Transpose",
    input: ["x", "p"],
    constants: { p: i32(0, 3, 2, 1) },
  },
  "Pad of rows and channels": {
    shape: IMAGE,
    op: "Pad",
    input: ["x", "p"],
    constants: { p: { shape: [4, 2], data: Int32Array.of(0, 0, 1, 2, 0, 0, 3, 0) } },
  },
  MirrorPad: {
    shape: IMAGE,
    op: "MirrorPad",
    input: ["x", "p"],
    constants: { p: { shape: [4, 2], data: Int32Array.of(0, 0, 1, 2, 2, 1, 0, 0) } },
    attr: { mode: text("REFLECT") },
  },
  "Reshape to rows": { shape: IMAGE, op: "Reshape", input: ["x", "s"], constants: { s: i32(-1, 4) } },
  "StridedSlice with strides and masks": {
    shape: IMAGE,
    op: "StridedSlice",
    input: ["x", "b", "e", "s"],
    constants: { b: i32(0, 1, 0, -2), e: i32(0, 6, -1, 0), s: i32(1, 2, 1, 1) },
    attr: { begin_mask: { i: "1" }, end_mask: { i: "9" } },
  },
  "StridedSlice that drops an axis": {
    shape: IMAGE,
    op: "StridedSlice",
    input: ["x", "b", "e", "s"],
    constants: { b: i32(0, 2), e: i32(0, 3), s: i32(1, 1) },
    attr: { begin_mask: { i: "1" }, end_mask: { i: "1" }, shrink_axis_mask: { i: "2" } },
  },
  Slice: {
    shape: IMAGE,
    op: "Slice",
    input: ["x", "b", "s"],
    constants: { b: i32(0, 1, 2, 0), s: i32(-1, 3, -1, 2) },
  },
  "GatherV2 of channels": {
    shape: IMAGE,
    op: "GatherV2",
    input: ["x", "i", "a"],
    constants: { i: i32(3, 0, 0), a: scalar(3) },
  },
  ExpandDims: { shape: [1, 5, 3], op: "ExpandDims", input: ["x", "a"], constants: { a: scalar(2) } },
  Squeeze: { shape: [1, 1, 1, 5], op: "Squeeze", attr: { squeeze_dims: integers(1, 2) } },
  Tile: { shape: [1, 3, 2, 4], op: "Tile", input: ["x", "n"], constants: { n: i32(1, 2, 3, 1) } },
  ConcatV2: { shape: IMAGE, op: "ConcatV2", input: ["x", "x", "a"], constants: { a: scalar(-1) } },
  "Pack of two": { shape: [1, 5], op: "Pack", input: ["x", "x"], attr: { axis: { i: "1" }, N: { i: "2" } } },
  DepthToSpace: {
    shape: [1, 3, 2, 8],
    op: "DepthToSpace",
    attr: { block_size: { i: "2" }, data_format: text("NHWC") },
  },
  ...Object.fromEntries(
    [
      [false, false],
      [true, false],
      [false, true],
    ].flatMap(([corners, centers]) =>
      ["ResizeBilinear", "ResizeNearestNeighbor"].map((op): [string, Case] => [
        `${op}, corners ${corners}, centers ${centers}`,
        {
          shape: IMAGE,
          op,
          input: ["x", "size"],
          constants: { size: i32(9, 10) },
          attr: { align_corners: { b: corners }, half_pixel_centers: { b: centers } },
        },
      ]),
    ),
  ),
};

describe("operators compute what tfjs computes", () => {
  it.each(Object.entries(cases))("%s", async (_name, { shape, op, input = ["x"], constants = {}, attr }) => {
    const node: NodeParts = { name: "y", op, input, ...(attr && { attr }) };
    // A node that reads nothing but x has weights beside it all the same.
    const all = Object.keys(constants).length > 0 ? constants : { unused: number(0) };
    await expectLikeTfjs(graphModel({ x: shape }, all, [node], { y: "y:0" }), shape);
  });
});

describe("networks", () => {
  it("shape arithmetic over an open batch keeps it open", async () => {
    const graph = await expectLikeTfjs(smallGraphModel(), [1, 8, 8, 3]);
    expect(graph.nodes.map(({ op }) => op)).toEqual([
      "conv2d",
      "depthwiseConv2d",
      "add",
      "maxPool",
      "reshape",
      "dense",
      "softmax",
    ]);
    expect(graph.outputs).toEqual(["scores"]);
  });

  it("a batch of 1 in the file is a batch, also where it is squeezed or merged with rows", async () => {
    const graph = await expectLikeTfjs(
      graphModel(
        { x: [1, 4, 3, 6] },
        { rows: i32(12, 6), w: f32([6, 5]), back: i32(1, 12, 5), all: i32(60), c: f32([60], 4) },
        [
          { name: "flat", op: "Reshape", input: ["x", "rows"] },
          {
            name: "dense",
            op: "MatMul",
            input: ["flat", "w"],
            attr: { transpose_a: { b: false }, transpose_b: { b: false } },
          },
          { name: "back3", op: "Reshape", input: ["dense", "back"] },
          { name: "list", op: "Reshape", input: ["back3", "all"] },
          { name: "sum", op: "AddV2", input: ["list", "c"] },
          { name: "y", op: "Tanh", input: ["sum"] },
        ],
        { y: "y:0" },
      ),
      [1, 4, 3, 6],
    );
    expect(graph.inputs[0]!.shape).toEqual([-1, 4, 3, 6]);
    expect(graph.nodes.filter(({ op }) => op === "dense")).toHaveLength(1);
  });

  it("two values of several axes are multiplied, as attention does it", async () => {
    const perm = i32(0, 2, 1, 3);
    await expectLikeTfjs(
      graphModel(
        { x: [1, 6, 2, 4] },
        { perm },
        [
          { name: "heads", op: "Transpose", input: ["x", "perm"] },
          {
            name: "scores",
            op: "BatchMatMulV2",
            input: ["heads", "heads"],
            attr: { adj_x: { b: false }, adj_y: { b: true } },
          },
          { name: "weights", op: "Softmax", input: ["scores"] },
          {
            name: "mixed",
            op: "BatchMatMulV2",
            input: ["weights", "heads"],
            attr: { adj_x: { b: false }, adj_y: { b: false } },
          },
          { name: "y", op: "Transpose", input: ["mixed", "perm"] },
        ],
        { y: "y:0" },
      ),
      [1, 6, 2, 4],
    );
  });

  it("a Split and an Unpack have several outputs, each called by its number", async () => {
    await expectLikeTfjs(
      graphModel(
        { x: [1, 3, 2, 6] },
        { axis: scalar(3) },
        [
          { name: "parts", op: "Split", input: ["axis", "x"], attr: { num_split: { i: "3" } } },
          { name: "product", op: "Mul", input: ["parts", "parts:2"] },
          { name: "y", op: "Sub", input: ["product", "parts:1"] },
        ],
        { y: "y:0" },
      ),
      [1, 3, 2, 6],
    );
  });

  it("nodes out of order are sorted", async () => {
    const { json, weights } = smallGraphModel();
    const topology = json.modelTopology as { node: unknown[] };
    topology.node.reverse();
    await expectLikeTfjs({ json, weights }, [1, 8, 8, 3]);
  });

  it("weights of 8 and 16 bits in the manifest are what they stand for", async () => {
    const { json } = smallGraphModel();
    const [group] = json.weightsManifest as [{ weights: Record<string, unknown>[] }];
    const parts = group.weights.map((weight) => {
      const count = (weight.shape as number[]).reduce((product, size) => product * size, 1);
      if (weight.dtype === "int32") {
        const value = { zero: 0, one: 1, rest: 64 }[weight.name as string]!;
        return new Uint8Array(Int32Array.of(value).buffer);
      }
      const isWide = weight.name === "dense/w";
      weight.quantization = { dtype: isWide ? "uint16" : "uint8", scale: isWide ? 1e-5 : 0.01, min: -0.5 };
      const codes = isWide ? new Uint16Array(count) : new Uint8Array(count);
      return new Uint8Array(codes.map((_, i) => (i * 37) % 101).buffer);
    });
    const weights = new Uint8Array(parts.flatMap((part) => [...part]));
    await expectLikeTfjs({ json, weights }, [1, 8, 8, 3]);
  });
});

describe("refusals", () => {
  const refused = async (model: GraphModel, inputShape?: number[]) => {
    const error = await load(model, inputShape).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(GenieError);
    return error as GenieError;
  };
  const simple = (nodes: NodeParts[], shape: (number | string)[] = [-1, 4]) =>
    graphModel({ x: shape }, { c: f32([4]), first: i32(0) }, nodes, { y: "y:0" });

  it("every operator in the way is named at once", async () => {
    const { code, message } = await refused(
      simple([
        { name: "a", op: "Bucketize", input: ["x"] },
        { name: "b", op: "Bucketize", input: ["a"] },
        { name: "y", op: "NonMaxSuppressionV5", input: ["b"] },
      ]),
    );
    expect(code).toBe("unsupported-operator");
    expect(message).toMatch(/node "a" and 1 more uses.*Bucketize, node "y" uses.*NonMaxSuppressionV5/);
  });

  it.each<[string, NodeParts[], RegExp]>([
    ["a cycle", [{ name: "y", op: "Relu", input: ["y"] }], /depends on itself/],
    ["a value nobody writes", [{ name: "y", op: "Relu", input: ["ghost"] }], /reads "ghost", which nothing/],
    ["what is constant", [{ name: "y", op: "Neg", input: ["c"] }], /is not computed from its input/],
    [
      "an attribute of another kind",
      [{ name: "y", op: "LeakyRelu", input: ["x"], attr: { alpha: { b: true } } }],
      /"alpha" is no number/,
    ],
    ["a mean over the batch", [{ name: "y", op: "Mean", input: ["x", "first"] }], /reduces the batch/],
  ])("%s", async (_what, nodes, message) => {
    expect((await refused(simple(nodes))).message).toMatch(message);
  });

  it("an open height is asked for, and taken where it is given", async () => {
    const model = graphModel({ x: [-1, -1, -1, 3] }, { w: f32([3, 3, 3, 2]) }, [
      { name: "y", op: "Conv2D", input: ["x", "w"], attr: windows(1, "SAME") },
    ]);
    expect((await load(model, [1, 10, 12, 3])).inputs[0]!.shape).toEqual([-1, 10, 12, 3]);
    // Nobody gave one: a usual one is taken.
    expect((await load(model)).inputs[0]!.shape).toEqual([-1, 224, 224, 3]);
    expect((await refused(model, [1, 10, 12, 4])).code).toBe("invalid-option");
  });
});
