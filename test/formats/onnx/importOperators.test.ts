/** Operators beside the usual ones of convolutional networks, read from files and held against onnxruntime. */
import { beforeAll, describe, expect, it } from "vitest";
import { foldBatchNorm } from "../../../src/ir/foldBatchNorm.ts";
import { fuseActivations } from "../../../src/ir/fuse.ts";
import { initializeKernels } from "../../../src/kernels/heap.ts";
import { loadModel } from "../../../src/session/load.ts";
import { expectLikeOnnxruntime, floats, int64s, type ModelParts, model, node } from "./models.ts";

beforeAll(async () => {
  await initializeKernels();
});

type Case = [name: string, parts: Omit<ModelParts, "inputs" | "outputs"> & { shape: number[] }];

/** Cases of one input "x" and one output "y". */
const CASES: Case[] = [
  ["Gelu", { opset: 20, shape: [2, 3, 4], nodes: [node("Gelu", ["x"], "y")] }],
  ["Gelu by tanh", { opset: 20, shape: [2, 7], nodes: [node("Gelu", ["x"], "y", { approximate: "tanh" })] }],
  ["Mish", { opset: 18, shape: [2, 7], nodes: [node("Mish", ["x"], "y")] }],
  ["Celu", { shape: [2, 7], nodes: [node("Celu", ["x"], "y", { alpha: { float: 0.5 } })] }],
  [
    "PRelu with a slope a channel",
    { shape: [2, 3, 4, 5], nodes: [node("PRelu", ["x", "s"], "y")], initializers: { s: floats([3, 1, 1]) } },
  ],
  [
    "Where with a known condition",
    {
      opset: 16,
      shape: [2, 3, 4],
      nodes: [
        node("Greater", ["m", "zero"], "c"),
        node("Relu", ["x"], "r"),
        node("Where", ["c", "x", "r"], "chosen"),
        node("Where", ["c", "low", "chosen"], "y"),
      ],
      initializers: { m: floats([3, 4]), zero: floats([], [0]), low: floats([], [-5]) },
    },
  ],
  [
    "differences and quotients of constants and values",
    {
      shape: [2, 3, 4],
      nodes: [
        node("Exp", ["x"], "e"),
        node("Sub", ["c", "e"], "d"),
        node("Div", ["c", "e"], "q"),
        node("Div", ["d", "q"], "y"),
      ],
      initializers: { c: floats([1, 3, 1], [1, 2, 3]) },
    },
  ],
  [
    "powers",
    {
      shape: [2, 5],
      nodes: [
        node("Pow", ["x", "two"], "a"),
        node("Pow", ["x", "three"], "b"),
        node("Add", ["a", "b"], "s"),
        node("Exp", ["s"], "e"),
        node("Pow", ["e", "p"], "y"),
      ],
      initializers: { two: floats([], [2]), three: floats([], [3]), p: floats([], [-0.7]) },
    },
  ],
  [
    "least, greatest and mean of several",
    {
      shape: [2, 3, 4],
      nodes: [
        node("Neg", ["x"], "n"),
        node("Min", ["x", "n", "c"], "a"),
        node("Max", ["x", "n"], "b"),
        node("Mean", ["a", "b", "x"], "y"),
      ],
      initializers: { c: floats([4]) },
    },
  ],
  [
    "LayerNormalization of the last two axes",
    {
      opset: 17,
      shape: [2, 5, 3, 4],
      nodes: [node("LayerNormalization", ["x", "s", "b"], "y", { axis: -2 })],
      initializers: { s: floats([3, 4]), b: floats([3, 4], 2) },
    },
  ],
  [
    "GroupNormalization by channel",
    {
      opset: 21,
      shape: [2, 6, 4, 5],
      nodes: [node("Relu", ["x"], "r"), node("GroupNormalization", ["r", "s", "b"], "y", { num_groups: 3 })],
      initializers: { s: floats([6]), b: floats([6], 2) },
    },
  ],
  [
    "InstanceNormalization of lines",
    {
      shape: [2, 3, 7],
      nodes: [node("InstanceNormalization", ["x", "s", "b"], "y")],
      initializers: { s: floats([3]), b: floats([3], 2) },
    },
  ],
  ["LRN", { shape: [2, 7, 3, 4], nodes: [node("LRN", ["x"], "y", { size: 3, alpha: { float: 0.5 } })] }],
  [
    "norms and sums over axes of images",
    {
      opset: 18,
      shape: [2, 3, 4, 5],
      nodes: [
        node("ReduceL2", ["x", "axes"], "a", { keepdims: 1 }),
        node("ReduceLogSumExp", ["x", "axes"], "b", { keepdims: 1 }),
        node("Add", ["a", "b"], "y"),
      ],
      initializers: { axes: int64s([1, -1]) },
    },
  ],
  [
    "DepthToSpace and back in both modes",
    {
      opset: 13,
      shape: [2, 8, 3, 5],
      nodes: [
        node("DepthToSpace", ["x"], "a", { blocksize: 2 }),
        node("SpaceToDepth", ["a"], "b", { blocksize: 2 }),
        node("DepthToSpace", ["b"], "y", { blocksize: 2, mode: "CRD" }),
      ],
    },
  ],
  [
    "Gather, regular or not, and Tile",
    {
      shape: [2, 6, 3],
      nodes: [
        node("Gather", ["x", "odd"], "a", { axis: 1 }),
        node("Gather", ["x", "any"], "b", { axis: 1 }),
        node("Gather", ["x", "one"], "c", { axis: 1 }),
        node("Unsqueeze", ["c", "axis"], "d"),
        node("Tile", ["d", "repeats"], "e"),
        node("Add", ["a", "b"], "ab"),
        node("Add", ["ab", "e"], "sum"),
        node("Tile", ["sum", "wide"], "y"),
      ],
      initializers: {
        odd: int64s([1, 3, 5]),
        any: int64s([5, 0, -1]),
        one: int64s(2),
        axis: int64s([1]),
        repeats: int64s([1, 3, 1]),
        wide: int64s([1, 1, 2]),
      },
    },
  ],
  [
    "linear Resize to a size of named axes",
    {
      opset: 18,
      shape: [2, 3, 4, 5],
      nodes: [node("Resize", ["x", "", "", "sizes"], "y", { mode: "linear", axes: [2, 3] })],
      initializers: { sizes: int64s([7, 3]) },
    },
  ],
  [
    "linear Upsample",
    {
      opset: 9,
      shape: [2, 3, 4, 5],
      nodes: [node("Upsample", ["x", "scales"], "y", { mode: "linear" })],
      initializers: { scales: floats([4], [1, 1, 2, 3]) },
    },
  ],
  [
    "a convolution, pools and a transposed convolution of lines",
    {
      shape: [2, 3, 16],
      nodes: [
        node("Conv", ["x", "w", "b"], "c", { kernel_shape: [3], pads: [1, 1], strides: [1] }),
        node("MaxPool", ["c"], "m", { kernel_shape: [2], strides: [2] }),
        node("AveragePool", ["m"], "a", { kernel_shape: [3], pads: [1, 0] }),
        node("ConvTranspose", ["a", "v"], "y", { kernel_shape: [4], strides: [2], pads: [1, 1] }),
      ],
      initializers: { w: floats([4, 3, 3]), b: floats([4]), v: floats([4, 5, 4], 3) },
    },
  ],
  [
    "ConvTranspose in groups, padded on one side",
    {
      shape: [2, 4, 5, 3],
      nodes: [
        node("ConvTranspose", ["x", "w", "b"], "y", {
          group: 2,
          strides: [2, 3],
          pads: [0, 1, 2, 0],
          output_padding: [1, 2],
          dilations: [1, 2],
        }),
      ],
      initializers: { w: floats([4, 3, 3, 2]), b: floats([6]) },
    },
  ],
  [
    "ConvTranspose of the size that it is told",
    {
      shape: [2, 2, 5, 3],
      nodes: [node("ConvTranspose", ["x", "w"], "y", { strides: [2, 2], output_shape: [10, 6] })],
      initializers: { w: floats([2, 3, 3, 3]) },
    },
  ],
  [
    "MatMul with a matrix on either side and a list of matrices",
    {
      shape: [2, 4, 5],
      nodes: [
        node("MatMul", ["x", "right"], "a"),
        node("MatMul", ["left", "a"], "b"),
        node("Reshape", ["b", "heads"], "c"),
        node("MatMul", ["c", "many"], "y"),
      ],
      initializers: {
        right: floats([5, 6]),
        left: floats([3, 4]),
        heads: int64s([0, 3, 2, 3]),
        many: floats([3, 3, 2]),
      },
    },
  ],
];

describe("computes what onnxruntime computes", () => {
  it.each(CASES)("%s", async (_name, { shape, ...rest }) => {
    const bytes = model({ inputs: { x: ["N", ...shape.slice(1)] }, outputs: ["y"], ...rest });
    await expectLikeOnnxruntime(bytes, { x: shape });
  });

  it("attention: dense layers are layers, products of values are not", async () => {
    const bytes = model({
      inputs: { x: ["N", 5, 6] },
      outputs: ["y"],
      nodes: [
        ...["q", "k", "v"].flatMap((name) => [
          node("MatMul", ["x", `w${name}`], `${name}0`),
          node("Add", [`${name}0`, `b${name}`], `${name}1`),
          node("Reshape", [`${name}1`, "heads"], `${name}2`),
          node("Transpose", [`${name}2`], name, { perm: name === "k" ? [0, 2, 3, 1] : [0, 2, 1, 3] }),
        ]),
        node("MatMul", ["q", "k"], "scores"),
        node("Div", ["scores", "root"], "scaled"),
        node("Softmax", ["scaled"], "weights", { axis: -1 }),
        node("MatMul", ["weights", "v"], "mixed"),
        node("Transpose", ["mixed"], "back", { perm: [0, 2, 1, 3] }),
        node("Reshape", ["back", "merged"], "rows"),
        node("MatMul", ["rows", "wo"], "y"),
      ],
      initializers: {
        ...Object.fromEntries(
          ["q", "k", "v"].flatMap((name, i) => [
            [`w${name}`, floats([6, 6], i + 1)],
            [`b${name}`, floats([6], i + 4)],
          ]),
        ),
        wo: floats([6, 4], 9),
        root: floats([], [1.7]),
        heads: int64s([0, 5, 2, 3]),
        merged: int64s([0, 5, 6]),
      },
    });
    const graph = await expectLikeOnnxruntime(bytes, { x: [2, 5, 6] });
    const count = (op: string) => graph.nodes.filter((each) => each.op === op).length;
    expect([count("dense"), count("matMul"), count("add")]).toEqual([4, 2, 0]);
    expect(graph.nodes.filter(({ op }) => op === "dense").map(({ inputs }) => inputs.length)).toEqual([
      3, 3, 3, 2,
    ]);
  });

  it("a 1-D residual network folds and fuses as a 2-D one does", async () => {
    const norm = ["s", "b", "m", "v"];
    const bytes = model({
      inputs: { x: ["N", 3, 9] },
      outputs: ["y"],
      nodes: [
        node("Conv", ["x", "w1"], "c1", { pads: [1, 1] }),
        node("BatchNormalization", ["c1", ...norm], "n1"),
        node("Relu", ["n1"], "r1"),
        node("Conv", ["r1", "w2"], "c2", { pads: [1, 1] }),
        node("BatchNormalization", ["c2", ...norm], "n2"),
        node("Add", ["n2", "r1"], "sum"),
        node("Relu", ["sum"], "y"),
      ],
      initializers: {
        w1: floats([4, 3, 3]),
        w2: floats([4, 4, 3], 2),
        s: floats([4]),
        b: floats([4], 2),
        m: floats([4], 3),
        v: floats([4], [1, 2, 0.5, 1.5]),
      },
    });
    await expectLikeOnnxruntime(bytes, { x: [2, 3, 9] });
    const graph = fuseActivations(foldBatchNorm(await loadModel(bytes)));
    expect(graph.nodes.map(({ op }) => op)).toEqual([
      "transpose",
      "reshape",
      "conv2d",
      "conv2d",
      "add",
      "reshape",
      "transpose",
    ]);
  });

  it("operands along a stated axis, as operator set 6 had them", async () => {
    const nodes = [node("Add", ["x", "c"], "s", { broadcast: 1, axis: 1 }), node("Relu", ["s"], "y")];
    const initializers = { c: floats([3]) };
    const old = await loadModel(
      model({ opset: 6, inputs: { x: ["N", 3, 4, 5] }, outputs: ["y"], nodes, initializers }),
    );
    const sum = old.nodes.find(({ op }) => op === "add")!;
    expect(old.constants.get(sum.inputs[1]!)?.shape).toEqual([3]);
  });
});

describe("leaves to the tail or refuses", () => {
  it.each([
    ["cubic Resize", node("Resize", ["x", "", "scales"], "y", { mode: "cubic" }), /mode "cubic"/],
    ["a Gather from the batch", node("Gather", ["x", "zero"], "y", { axis: 0 }), /picks from the batch/],
    ["a sum over the batch", node("ReduceMax", ["x"], "y", { axes: [0] }), /reduces the batch/],
    [
      "more output padding than stride",
      node("ConvTranspose", ["x", "w"], "y", { output_padding: [1, 1] }),
      /output padding/,
    ],
  ])("%s", async (_name, only, complaint) => {
    const bytes = model({
      inputs: { x: ["N", 3, 4, 5] },
      outputs: ["y"],
      nodes: [only],
      initializers: { scales: floats([4], [1, 1, 2, 2]), zero: int64s([0]), w: floats([3, 2, 3, 3]) },
    });
    await expect(loadModel(bytes)).rejects.toThrow(complaint);
  });
});
