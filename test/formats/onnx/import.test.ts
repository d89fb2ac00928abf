/** Networks as exporters write them, against onnxruntime. */
import { existsSync, readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { importOnnx } from "../../../src/formats/onnx/import.ts";
import { TensorProto_DataType as DataType } from "../../../src/formats/onnx/onnx_pb.ts";
import type { Graph } from "../../../src/ir/graph.ts";
import { isLayer } from "../../../src/ir/rewrite.ts";
import { initializeKernels } from "../../../src/kernels/heap.ts";
import { expectLikeOnnxruntime, floats, int64s, model, node, numbers, raw } from "./models.ts";

const RESNET20 = new URL("../../../../shared/zoo/cifar10-resnet20.onnx", import.meta.url);

beforeAll(async () => {
  await initializeKernels();
});

function ops(graph: Graph): string[] {
  return graph.nodes.map(({ op }) => op);
}

function count(graph: Graph, op: string): number {
  return ops(graph).filter((name) => name === op).length;
}

describe("ResNet-20 from PyTorch", () => {
  it.skipIf(!existsSync(RESNET20))(
    "has its layers and BatchNorms, no transpositions, and onnxruntime's logits",
    async () => {
      const graph = await expectLikeOnnxruntime(readFileSync(RESNET20), { input: [3, 3, 32, 32] });
      expect(graph.nodes.filter(isLayer)).toHaveLength(20);
      expect(count(graph, "batchNorm")).toBe(19);
      expect(count(graph, "transpose")).toBe(0);
      expect(graph.inputs).toEqual([{ name: "input", shape: [-1, 32, 32, 3] }]);
      expect(graph.outputs).toEqual(["logits"]);
    },
  );
});

describe("PyTorch's patterns", () => {
  it("flattens images of several pixels in the file's order", async () => {
    const bytes = model({
      inputs: { x: ["batch", 3, 4, 5] },
      outputs: ["y"],
      nodes: [
        node("Conv", ["x", "w"], "a", { pads: [1, 1, 1, 1], kernel_shape: [3, 3] }),
        node("Flatten", ["a"], "f", { axis: 1 }),
        node("Gemm", ["f", "k", "b"], "y", { transB: 1, alpha: { float: 0.5 }, beta: { float: 2 } }),
      ],
      initializers: { w: floats([6, 3, 3, 3]), k: floats([4, 120], 2), b: floats([4], 3) },
    });
    const graph = await expectLikeOnnxruntime(bytes, { x: [2, 3, 4, 5] });
    expect(ops(graph)).toEqual(["conv2d", "transpose", "reshape", "dense"]);
    expect(graph.nodes.map(({ name }) => name)).toEqual(["Conv_0", "a/nchw", "Flatten_1", "Gemm_2"]);
  });

  it("follows x.view(x.size(0), -1) and x.view(n, g, c // g, h, w) through the shape arithmetic", async () => {
    const sizeAt = (position: number) => [
      node("Shape", ["x"], `shape${position}`),
      node("Constant", [], `at${position}`, { value: int64s(position) }),
      node("Gather", [`shape${position}`, `at${position}`], `size${position}`, { axis: 0 }),
    ];
    const asList = (name: string) => node("Unsqueeze", [name, "zero"], `${name}/list`);
    const bytes = model({
      inputs: { x: ["batch", 6, 3, 5] },
      outputs: ["y"],
      nodes: [
        ...[0, 1, 2, 3].flatMap(sizeAt),
        node("Constant", [], "two", { value: int64s(2) }),
        node("Div", ["size1", "two"], "half"),
        node("Cast", ["half"], "depth", { to: DataType.INT64 }),
        ...["size0", "two", "depth", "size2", "size3", "size1"].map(asList),
        node("Concat", ["size0/list", "two/list", "depth/list", "size2/list", "size3/list"], "five", {
          axis: 0,
        }),
        node("Reshape", ["x", "five"], "grouped"),
        node("Transpose", ["grouped"], "shuffled", { perm: [0, 2, 1, 3, 4] }),
        node("Concat", ["size0/list", "minus", "size2/list", "size3/list"], "four", { axis: 0 }),
        node("Reshape", ["shuffled", "four"], "image"),
        node("Conv", ["image", "w"], "a", { group: 6, kernel_shape: [3, 3], pads: [1, 1, 1, 1] }),
        node("Concat", ["size0/list", "minus"], "rows", { axis: 0 }),
        node("Reshape", ["a", "rows"], "y"),
      ],
      initializers: { w: floats([12, 1, 3, 3]), zero: int64s([0]), minus: int64s([-1]) },
    });
    const graph = await expectLikeOnnxruntime(bytes, { x: [2, 6, 3, 5] });
    // Channels are shuffled in one move; the flattening at the end is the other.
    expect(ops(graph)).toEqual([
      "reshape",
      "transpose",
      "reshape",
      "depthwiseConv2d",
      "transpose",
      "reshape",
    ]);
  });

  it("gates channels (squeeze and excitation) without moving the image", async () => {
    const bytes = model({
      inputs: { x: ["batch", 4, 5, 3] },
      outputs: ["y"],
      nodes: [
        node("GlobalAveragePool", ["x"], "p"),
        node("Flatten", ["p"], "f"),
        node("Gemm", ["f", "k1", "b1"], "h", { transB: 1 }),
        node("Relu", ["h"], "r"),
        node("Gemm", ["r", "k2"], "g", { transB: 1 }),
        node("HardSigmoid", ["g"], "s", { alpha: { float: 1 / 6 } }),
        node("Unsqueeze", ["s", "axes"], "u"),
        node("Mul", ["x", "u"], "m"),
        node("HardSwish", ["m"], "y"),
      ],
      initializers: { k1: floats([2, 4]), b1: floats([2], 2), k2: floats([4, 2], 3), axes: int64s([2, 3]) },
      opset: 14,
    });
    const graph = await expectLikeOnnxruntime(bytes, { x: [2, 4, 5, 3] });
    expect(count(graph, "transpose")).toBe(0);
    expect(count(graph, "reshape")).toBe(2);
  });

  it("repeats nothing for gate.expand_as(x), which a product does by itself", async () => {
    const gate = (output: string, nodes: ReturnType<typeof node>[]) =>
      model({
        inputs: { x: ["batch", 4, 5, 3] },
        outputs: [output],
        nodes: [
          node("Shape", ["x"], "s"),
          node("GlobalAveragePool", ["x"], "p"),
          node("Expand", ["p", "s"], "e"),
          ...nodes,
        ],
      });
    const product = await expectLikeOnnxruntime(gate("y", [node("Mul", ["x", "e"], "y")]), {
      x: [2, 4, 5, 3],
    });
    expect(ops(product)).toEqual(["globalAveragePool", "multiply"]);
    const turned = gate("y", [
      node("Transpose", ["e"], "et", { perm: [0, 1, 3, 2] }),
      node("Transpose", ["x"], "xt", { perm: [0, 1, 3, 2] }),
      node("Mul", ["et", "xt"], "y"),
    ]);
    await expectLikeOnnxruntime(turned, { x: [2, 4, 5, 3] });
    await expectLikeOnnxruntime(gate("e", []), { x: [2, 4, 5, 3] });
  });

  it("reads hard-swish written as Add, Clip, Div and Mul", async () => {
    const bytes = model({
      inputs: { x: ["batch", 4, 5, 3] },
      outputs: ["y"],
      nodes: [
        node("Add", ["x", "three"], "a"),
        node("Clip", ["a", "zero", "six"], "c"),
        node("Div", ["c", "six"], "d"),
        node("Mul", ["x", "d"], "y"),
      ],
      initializers: { three: floats([], [3]), zero: floats([], [0]), six: floats([], [6]) },
    });
    await expectLikeOnnxruntime(bytes, { x: [2, 4, 5, 3] }, { range: 5 });
  });

  it("opens a batch that the file fixes", async () => {
    const bytes = model({
      inputs: { x: [4, 2, 3, 3] },
      outputs: ["y"],
      nodes: [node("Reshape", ["x", "shape"], "f"), node("Gemm", ["f", "k"], "y")],
      initializers: { shape: int64s([4, 18]), k: floats([18, 5]) },
    });
    const graph = await expectLikeOnnxruntime(bytes, { x: [4, 2, 3, 3] });
    expect(graph.inputs[0]!.shape).toEqual([-1, 3, 3, 2]);
  });
});

describe("TensorFlow's patterns", () => {
  it("keeps images channels-last, and takes MatMul and Add for a dense layer", async () => {
    const bytes = model({
      inputs: { x: ["batch", 5, 4, 3] },
      outputs: ["y", "image"],
      nodes: [
        node("Mul", ["x", "scale"], "scaled"),
        node("Transpose", ["scaled"], "first", { perm: [0, 3, 1, 2] }),
        node("Conv", ["first", "w"], "a", { auto_pad: "SAME_UPPER", strides: [2, 2], kernel_shape: [3, 3] }),
        node("Add", ["a", "bias"], "ab"),
        node("BatchNormalization", ["ab", "g", "b", "m", "v"], "n"),
        node("Relu", ["n"], "r"),
        node("Transpose", ["r"], "image", { perm: [0, 2, 3, 1] }),
        node("ReduceMean", ["image"], "pooled", { axes: [1, 2], keepdims: 0 }),
        node("MatMul", ["pooled", "k"], "dot"),
        node("Add", ["dot", "kb"], "logits"),
        node("Softmax", ["logits"], "y", { axis: -1 }),
      ],
      initializers: {
        scale: floats([1, 1, 1, 3], 4),
        w: floats([6, 3, 3, 3]),
        bias: floats([1, 6, 1, 1], 9),
        g: floats([6], 2),
        b: floats([6], 3),
        m: floats([6], 5),
        v: floats(
          [6],
          numbers(6, 6).map((x) => x + 2),
        ),
        k: floats([6, 4], 7),
        kb: floats([4], 8),
      },
    });
    const graph = await expectLikeOnnxruntime(bytes, { x: [2, 5, 4, 3] }, { isChannelsLast: true });
    expect(graph.inputs[0]!.shape).toEqual([-1, 5, 4, 3]);
    expect(ops(graph)).toEqual([
      "multiply",
      "conv2d",
      "batchNorm",
      "globalAveragePool",
      "reshape",
      "dense",
      "softmax",
    ]);
    expect(graph.nodes.filter(isLayer).map(({ inputs }) => inputs.length)).toEqual([3, 3]);
  });
});

describe("layout", () => {
  const single = (
    opType: string,
    attributes: Parameters<typeof node>[3],
    options: { opset?: number; inputs?: Record<string, ReturnType<typeof floats>> } = {},
  ) =>
    model({
      inputs: { x: ["batch", 4, 6, 5] },
      outputs: ["y"],
      nodes: [node(opType, ["x", ...Object.keys(options.inputs ?? {})], "y", attributes)],
      initializers: options.inputs ?? {},
      ...(options.opset ? { opset: options.opset } : {}),
    });

  it.each<[string, Uint8Array]>([
    ["ReduceMean over the image", single("ReduceMean", { axes: [2, 3], keepdims: 1 })],
    ["ReduceMean over the image, dropped", single("ReduceMean", { axes: [-1, -2], keepdims: 0 })],
    ["ReduceMean over the channels", single("ReduceMean", { axes: [1], keepdims: 1 })],
    ["ReduceMean over the channels, dropped", single("ReduceMean", { axes: [1], keepdims: 0 })],
    ["ReduceMean over the width", single("ReduceMean", { axes: [3], keepdims: 0 })],
    [
      "ReduceMean over axes given as input",
      single("ReduceMean", {}, { opset: 18, inputs: { a: int64s([2, 3]) } }),
    ],
    ["Softmax over the channels", single("Softmax", { axis: 1 })],
    ["Softmax over the width", single("Softmax", { axis: -1 })],
    ["Softmax over all but the batch", single("Softmax", { axis: 1 }, { opset: 11 })],
    ["Softmax over the image", single("Softmax", { axis: 2 }, { opset: 11 })],
    ["Slice of channels", single("Slice", { starts: [1], ends: [-1], axes: [1] }, { opset: 9 })],
    [
      "Slice with steps",
      single(
        "Slice",
        {},
        { inputs: { b: int64s([1, 0]), e: int64s([2 ** 31, 6]), a: int64s([3, 2]), s: int64s([2, 3]) } },
      ),
    ],
    ["Pad of rows", single("Pad", { pads: [0, 0, 1, 0, 0, 0, 2, 0] }, { opset: 9 })],
    [
      "Pad reflected",
      single("Pad", { mode: "reflect" }, { inputs: { p: int64s([0, 0, 2, 1, 0, 0, 0, 3]) } }),
    ],
    [
      "Pad of channels",
      single("Pad", {}, { inputs: { p: int64s([0, 1, 0, 0, 0, 3, 0, 0]), v: floats([], [0.5]) } }),
    ],
    ["Transpose", single("Transpose", { perm: [0, 3, 2, 1] })],
    ["Transpose of two axes", single("Transpose", { perm: [0, 1, 3, 2] })],
    ["Reshape to features", single("Reshape", {}, { inputs: { s: int64s([0, -1]) } })],
    ["Reshape to other images", single("Reshape", {}, { inputs: { s: int64s([0, 8, 3, 5]) } })],
    [
      "Upsample",
      single("Upsample", { mode: "nearest" }, { opset: 9, inputs: { s: floats([4], [1, 1, 2, 3]) } }),
    ],
    ["Add of a row", single("Add", {}, { inputs: { c: floats([5]) } })],
    ["Mul of an image", single("Mul", {}, { inputs: { c: floats([4, 6, 5]) } })],
    ["Sub from a constant", single("Sub", {}, { inputs: { c: floats([1, 4, 1, 1]) } })],
  ])("%s", async (_name, bytes) => {
    await expectLikeOnnxruntime(bytes, { x: [2, 4, 6, 5] });
  });

  it("joins and splits channels", async () => {
    const bytes = model({
      inputs: { x: ["batch", 5, 4, 3] },
      outputs: ["y", "b"],
      nodes: [
        node("Split", ["x"], ["a", "b"], { axis: 1, split: [2, 3] }),
        node("Relu", ["b"], "c"),
        node("Concat", ["c", "a", "x"], "y", { axis: -3 }),
      ],
      opset: 11,
    });
    await expectLikeOnnxruntime(bytes, { x: [2, 5, 4, 3] });
  });

  it("passes an input on as an output", async () => {
    const bytes = model({
      inputs: { x: ["batch", 3, 4, 5] },
      outputs: ["y", "z"],
      nodes: [node("Identity", ["x"], "y"), node("Dropout", ["x"], "z")],
    });
    await expectLikeOnnxruntime(bytes, { x: [1, 3, 4, 5] });
  });
});

describe("windows", () => {
  const shape = [2, 4, 7, 9];
  const conv = (attributes: Parameters<typeof node>[3], filter: number[]) =>
    model({
      inputs: { x: ["batch", ...shape.slice(1)] },
      outputs: ["y"],
      nodes: [node("Conv", ["x", "w", "b"], "y", attributes)],
      initializers: { w: floats(filter), b: floats([filter[0]!], 2) },
    });
  const pool = (opType: string, attributes: Parameters<typeof node>[3], opset = 11) =>
    model({
      inputs: { x: ["batch", ...shape.slice(1)] },
      outputs: ["y"],
      nodes: [node(opType, ["x"], "y", attributes)],
      opset,
    });

  it.each<[string, Uint8Array]>([
    ["in groups", conv({ group: 2, pads: [0, 1, 2, 1] }, [6, 2, 3, 3])],
    ["depthwise, two outputs a channel", conv({ group: 4, strides: [2, 1] }, [8, 1, 3, 2])],
    ["dilated", conv({ dilations: [2, 3], pads: [2, 3, 2, 3] }, [3, 4, 3, 3])],
    ["SAME_UPPER", conv({ auto_pad: "SAME_UPPER", strides: [2, 2] }, [3, 4, 3, 4])],
    ["SAME_LOWER", conv({ auto_pad: "SAME_LOWER", strides: [2, 2] }, [3, 4, 3, 4])],
    ["VALID", conv({ auto_pad: "VALID", strides: [3, 2] }, [3, 4, 3, 4])],
  ])("convolution %s", async (_name, bytes) => {
    await expectLikeOnnxruntime(bytes, { x: shape });
  });

  const ceil = { kernel_shape: [3, 2], strides: [2, 2], ceil_mode: 1 };
  it.each<[string, Uint8Array]>([
    ["MaxPool", pool("MaxPool", { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] })],
    ["MaxPool dilated", pool("MaxPool", { kernel_shape: [2, 2], dilations: [2, 3] })],
    ["MaxPool rounded up", pool("MaxPool", { ...ceil, pads: [0, 1, 1, 0] })],
    ["AveragePool", pool("AveragePool", { kernel_shape: [3, 3], pads: [1, 1, 1, 1] })],
    [
      "AveragePool counting padding",
      pool("AveragePool", { kernel_shape: [3, 3], pads: [1, 0, 1, 2], count_include_pad: 1 }),
    ],
    ["AveragePool rounded up", pool("AveragePool", { ...ceil })],
    [
      "AveragePool SAME_UPPER",
      pool("AveragePool", { kernel_shape: [4, 4], strides: [3, 3], auto_pad: "SAME_UPPER" }),
    ],
    ["GlobalMaxPool", pool("GlobalMaxPool", {})],
  ])("%s", async (_name, bytes) => {
    await expectLikeOnnxruntime(bytes, { x: shape });
  });

  it.each(["MaxPool", "AveragePool"])(
    "%s rounded up has no window in the padding behind alone",
    async (opType) => {
      // 8 columns and one of padding: windows of 2 at 0, 2, 4 and 6; one at 8 would see no pixel.
      const bytes = model({
        inputs: { x: ["batch", 2, 1, 8] },
        outputs: ["y"],
        nodes: [
          node(opType, ["x"], "y", {
            kernel_shape: [1, 2],
            strides: [1, 2],
            pads: [0, 0, 0, 1],
            ceil_mode: 1,
          }),
        ],
        opset: 11,
      });
      await expectLikeOnnxruntime(bytes, { x: [2, 2, 1, 8] });
    },
  );

  it("AveragePool rounded up counts its own padding and not what rounding adds, as PyTorch does", async () => {
    // 4 columns and padding 1: windows of 3 at −1, 1 and 3, the last over columns 3, 4 (padding) and 5 (nothing).
    const bytes = model({
      inputs: { x: ["batch", 1, 1, 4] },
      outputs: ["y"],
      nodes: [
        node("AveragePool", ["x"], "y", {
          kernel_shape: [1, 3],
          strides: [1, 2],
          pads: [0, 1, 0, 1],
          ceil_mode: 1,
          count_include_pad: 1,
        }),
      ],
      opset: 11,
    });
    const graph = await expectLikeOnnxruntime(bytes, { x: [2, 1, 1, 4] });
    expect(ops(graph)).toEqual(["pad", "averagePool"]);
    expect(graph.nodes[1]).toMatchObject({
      countPadding: false,
      padding: { top: 0, left: 0, bottom: 0, right: 1 },
    });
  });
});

describe("BatchNormalization that learns", () => {
  const normalizing = (opset: number, outputs: string[], attributes = {}) =>
    model({
      opset,
      inputs: { x: ["batch", 3, 8, 8] },
      outputs: ["y"],
      nodes: [
        node("Conv", ["x", "w"], "a", { kernel_shape: [1, 1] }),
        node("BatchNormalization", ["a", "g", "b", "m", "v"], outputs, attributes),
      ],
      initializers: {
        w: floats([4, 3, 1, 1]),
        g: floats([4], [1, 1, 1, 1]),
        b: floats([4], [0, 0, 0, 0]),
        m: floats([4]),
        v: floats([4], [1, 2, 3, 4]),
      },
    });

  it.each([
    ["by its attribute since operator set 14", 14, ["y", "rm", "rv"], { training_mode: 1 }],
    ["by five outputs from operator set 7 on", 9, ["y", "rm", "rv", "sm", "sv"], {}],
    ["where operator set 6 does not say that it is a test", 6, ["y"], {}],
  ] as const)("is refused %s", (_name, opset, outputs, attributes) => {
    expect(() => importOnnx(normalizing(opset, [...outputs], attributes))).toThrow(
      /training form.*evaluation mode/,
    );
  });

  it("is none with one output, and where operator set 6 says that it is a test", () => {
    for (const [opset, attributes] of [
      [6, { is_test: 1 }],
      [9, {}],
      [13, {}],
      [15, { training_mode: 0 }],
    ] as const) {
      expect(ops(importOnnx(normalizing(opset, ["y"], attributes)))).toEqual(["conv2d", "batchNorm"]);
    }
  });
});

describe("quantized files", () => {
  it("folds DequantizeLinear on weights, INT4 among them", async () => {
    const bytes = model({
      inputs: { x: ["batch", 2, 4, 4] },
      outputs: ["y"],
      nodes: [
        node("DequantizeLinear", ["q", "s", "z"], "w", { axis: 0 }),
        node("Conv", ["x", "w"], "a"),
        node("DequantizeLinear", ["q4", "s4"], "b"),
        node("Conv", ["a", "b"], "y"),
      ],
      initializers: {
        q: raw(DataType.INT8, [3, 2, 1, 1], [1, 255, 100, 128, 7, 250]),
        s: floats([3], [0.1, 0.2, 0.3]),
        z: raw(DataType.INT8, [3], [0, 3, 253]),
        q4: raw(DataType.INT4, [1, 3, 1, 1], [0x7f, 0x08]),
        s4: floats([], [0.5]),
      },
      opset: 21,
    });
    const graph = importOnnx(bytes);
    expect(ops(graph)).toEqual(["conv2d", "conv2d"]);
    expect([...graph.constants.get("b")!.data]).toEqual([-0.5, 3.5, -4]);
    await expectLikeOnnxruntime(bytes, { x: [2, 2, 4, 4] });
  });

  it("takes QuantizeLinear and DequantizeLinear for one node, the Clip before for what it is", async () => {
    const bytes = model({
      inputs: { x: ["batch", 2, 4, 4] },
      outputs: ["y"],
      nodes: [
        node("Clip", ["x", "low", "high"], "c"),
        node("QuantizeLinear", ["c", "s", "z"], "q"),
        node("DequantizeLinear", ["q", "s", "z"], "y"),
      ],
      initializers: {
        low: floats([], [-0.3]),
        high: floats([], [0.4]),
        s: floats([], [0.1]),
        z: raw(DataType.UINT8, [], [3]),
      },
    });
    const graph = await expectLikeOnnxruntime(bytes, { x: [2, 2, 4, 4] });
    expect(ops(graph)).toEqual(["activation", "fakeQuantize"]);
    expect(graph.nodes[1]).toMatchObject({
      params: { bits: 8, signed: false, perChannel: false, zeroPoint: Int32Array.of(3) },
    });
  });
});
