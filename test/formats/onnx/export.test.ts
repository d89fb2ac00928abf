import { fromBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import packageJson from "../../../package.json" with { type: "json" };
import { GenieError } from "../../../src/errors.ts";
import { permute } from "../../../src/formats/graph/permute.ts";
import { exportOnnx } from "../../../src/formats/onnx/export.ts";
import { ModelProtoSchema, TensorProto_DataType } from "../../../src/formats/onnx/onnx_pb.ts";
import type { Activation, Graph, Node } from "../../../src/ir/graph.ts";
import { VERSION } from "../../../src/version.ts";
import { allNetworks, convChain, GraphBuilder, residual } from "../../ir/builders.ts";
import { drawn, expectComputes, graphOf, initializer, operators } from "./exported.ts";

const UNPADDED = { top: 0, bottom: 0, left: 0, right: 0 };

/** A graph of one input "x", given nodes (the last one's output is the graph's) and constants. */
function graphWith(
  inputShape: number[],
  nodes: (Partial<Node> & Pick<Node, "op">)[],
  constants: Record<string, number[]> = {},
): Graph {
  const written = nodes.map((node, index) => ({
    name: `node${index}`,
    inputs: [index === 0 ? "x" : `y${index - 1}`],
    output: `y${index}`,
    ...node,
  })) as Node[];
  return {
    name: "test",
    inputs: [{ name: "x", shape: inputShape }],
    outputs: [written.at(-1)!.output],
    nodes: written,
    constants: new Map(
      Object.entries(constants).map(([name, shape], index) => [
        name,
        {
          shape,
          data: drawn(
            shape.reduce((a, b) => a * b, 1),
            100 + index,
          ).map((value) => value / 2),
        },
      ]),
    ),
  };
}

const image = [-1, 5, 7, 3];
const toNchw: Partial<Node> & Pick<Node, "op"> = { op: "transpose", permutation: [0, 3, 1, 2] };
const toNhwc: Partial<Node> & Pick<Node, "op"> = { op: "transpose", permutation: [0, 2, 3, 1] };

describe("what the file computes in onnxruntime is what the graph computes", () => {
  it.each(allNetworks())("%s", async (_name, graph) => {
    await expectComputes(exportOnnx(graph), graph);
  });

  const activations: Activation[] = [
    { kind: "relu" },
    { kind: "clip", min: -0.5, max: 0.75 },
    { kind: "clip", min: -0.25, max: Number.POSITIVE_INFINITY },
    { kind: "clip", min: Number.NEGATIVE_INFINITY, max: 0.25 },
    { kind: "leakyRelu", alpha: 0.2 },
    { kind: "sigmoid" },
    { kind: "tanh" },
    { kind: "hardSigmoid", alpha: 0.3, beta: 0.4 },
    { kind: "hardSwish" },
  ];
  it.each(activations)("activation $kind, fused and alone", async (activation) => {
    const conv = {
      op: "conv2d",
      inputs: ["x", "w", "b"],
      strides: [1, 1],
      dilations: [1, 1],
      padding: UNPADDED,
      groups: 1,
      activation,
    } as const;
    const graph = graphWith(image, [conv as unknown as Node, { op: "activation", activation }], {
      w: [1, 1, 3, 4],
      b: [4],
    });
    await expectComputes(exportOnnx(graph), graph);
  });

  it.each([
    { strides: [2, 1], dilations: [1, 2], padding: { top: 2, bottom: 0, left: 1, right: 3 }, groups: 1 },
    { strides: [1, 3], dilations: [2, 1], padding: { top: 0, bottom: 1, left: 0, right: 1 }, groups: 3 },
  ] as const)("convolution of any geometry, groups $groups", async (geometry) => {
    const node = { op: "conv2d", inputs: ["x", "w"], ...geometry } as unknown as Node;
    const graph = graphWith([-1, 9, 8, 6], [node], { w: [2, 3, 6 / geometry.groups, 9] });
    await expectComputes(exportOnnx(graph), graph);
  });

  it.each([1, 3])("depthwise convolution, %i filters a channel", async (multiplier) => {
    const node = {
      op: "depthwiseConv2d",
      inputs: ["x", "w", "b"],
      strides: [2, 1],
      dilations: [1, 1],
      padding: { top: 1, bottom: 0, left: 1, right: 1 },
    } as unknown as Node;
    const graph = graphWith(image, [node], { w: [3, 2, 3, multiplier], b: [3 * multiplier] });
    await expectComputes(exportOnnx(graph), graph);
  });

  it.each([
    ["averagePool", true],
    ["averagePool", false],
    ["maxPool", false],
  ] as const)("%s, padding counted: %s", async (op, countPadding) => {
    const graph = graphWith(image, [
      {
        op,
        kernel: [3, 2],
        strides: [2, 1],
        dilations: [1, 2],
        padding: { top: 1, bottom: 2, left: 1, right: 0 },
        countPadding,
      },
    ]);
    await expectComputes(exportOnnx(graph), graph);
  });

  it.each<[string, number[], (Partial<Node> & Pick<Node, "op">)[], Record<string, number[]>?]>([
    ["upsampling", image, [{ op: "upsampleNearest", factors: [2, 3] }]],
    [
      "zero padding",
      image,
      [{ op: "pad", before: [0, 1, 0, 2], after: [0, 0, 3, 1], mode: "constant", value: 0 }],
    ],
    [
      "a border of a value",
      image,
      [{ op: "pad", before: [0, 1, 1, 0], after: [0, 1, 1, 0], mode: "constant", value: -1.5 }],
    ],
    [
      "reflection",
      image,
      [{ op: "pad", before: [0, 2, 1, 0], after: [0, 1, 3, 0], mode: "reflect", value: 0 }],
    ],
    ["slice", image, [{ op: "slice", begin: [0, 1, 0, 1], end: [-1, 5, 7, 3], steps: [1, 2, 3, 1] }]],
    [
      "slice of everything",
      image,
      [{ op: "slice", begin: [0, 0, 0, 0], end: [-1, 5, 7, 3], steps: [1, 1, 1, 1] }],
    ],
    ["softmax over channels", image, [{ op: "softmax", axis: 3 }]],
    ["softmax over columns", image, [{ op: "softmax", axis: 2 }]],
    ["softmax of features", [-1, 6], [{ op: "softmax", axis: 1 }]],
    ["concatenation of rows", image, [{ op: "concat", inputs: ["x", "x"], axis: 1 }]],
    ["concatenation of channels", image, [{ op: "concat", inputs: ["x", "x"], axis: 3 }]],
    ["concatenation of features", [-1, 6], [{ op: "concat", inputs: ["x", "x"], axis: 1 }]],
    ["a constant a channel", image, [{ op: "add", inputs: ["x", "c"] }], { c: [3] }],
    ["a constant a channel, before", image, [{ op: "multiply", inputs: ["c", "x"] }], { c: [1, 3] }],
    ["a constant a pixel", image, [{ op: "multiply", inputs: ["x", "c"] }], { c: [5, 7, 1] }],
    ["a scalar", image, [{ op: "add", inputs: ["x", "c"] }], { c: [] }],
    ["a constant image", image, [{ op: "add", inputs: ["x", "c"] }], { c: [1, 5, 7, 3] }],
    ["a constant of features", [-1, 6], [{ op: "add", inputs: ["x", "c"] }], { c: [6] }],
    ["other transpositions", image, [{ op: "transpose", permutation: [0, 2, 1, 3] }]],
    ["NCHW's own flattening", image, [toNchw, { op: "reshape", shape: [-1, 105] }]],
    ["NHWC's flattening", image, [{ op: "reshape", shape: [-1, 105] }]],
    [
      "reshape to another image",
      image,
      [
        { op: "reshape", shape: [-1, 7, 5, 3] },
        { op: "activation", activation: { kind: "relu" } },
      ],
    ],
    ["features to an image, NCHW", [-1, 105], [{ op: "reshape", shape: [-1, 3, 5, 7] }, toNhwc]],
    ["features to channels", [-1, 6], [{ op: "reshape", shape: [-1, 1, 1, 6] }]],
    ["features to channels, NCHW", [-1, 6], [{ op: "reshape", shape: [-1, 6, 1, 1] }, toNhwc]],
    ["one channel to a matrix", [-1, 4, 5, 1], [{ op: "reshape", shape: [-1, 4, 5] }]],
    ["the same shape", image, [{ op: "reshape", shape: image }]],
    [
      "a vector between the layouts",
      [-1, 1, 1, 6],
      [
        { op: "reshape", shape: [-1, 6, 1, 1] },
        { op: "reshape", shape: [-1, 1, 1, 6] },
      ],
    ],
    ["a column of one channel", [-1, 6, 1, 1], [{ op: "reshape", shape: [-1, 1, 6, 1] }]],
    ["there and back", image, [toNchw, toNhwc]],
    ["there and there", image, [toNchw, toNchw]],
    ["back first", image, [toNhwc, { op: "globalAveragePool" }]],
    [
      "literal softmax and slice",
      image,
      [
        toNchw,
        { op: "softmax", axis: 1 },
        { op: "slice", begin: [0, 1, 0, 0], end: [-1, 3, 4, 7], steps: [1, 1, 2, 1] },
      ],
    ],
    [
      "literal padding",
      image,
      [toNchw, { op: "pad", before: [0, 1, 0, 0], after: [0, 0, 2, 0], mode: "constant", value: 1 }],
    ],
    [
      "literal and not, concatenated",
      [-1, 4, 4, 4],
      [toNchw, { op: "concat", inputs: ["y0", "x"], axis: 2 }],
    ],
    ["literal and not, added", [-1, 4, 4, 4], [toNchw, { op: "add", inputs: ["y0", "x"] }]],
    [
      "features added to literal images",
      [-1, 3, 4, 4],
      [
        toNchw,
        { op: "reshape", inputs: ["x"], shape: [-1, 48] },
        { op: "reshape", shape: [-1, 4, 3, 4] },
        { op: "add", inputs: ["y0", "y2"] },
      ],
    ],
    [
      "channel shuffle",
      [-1, 3, 4, 6],
      [
        toNchw,
        { op: "reshape", shape: [-1, 2, 3, 3, 4] },
        { op: "transpose", permutation: [0, 2, 1, 3, 4] },
        { op: "reshape", shape: [-1, 6, 3, 4] },
        toNhwc,
      ],
    ],
  ])("%s", async (_what, shape, nodes, constants) => {
    const graph = graphWith(shape, nodes, constants);
    await expectComputes(exportOnnx(graph), graph);
  });

  it("a constant read in two layouts", async () => {
    const graph = graphWith(
      image,
      [
        { op: "add", inputs: ["x", "c"] },
        toNchw,
        { op: "reshape", shape: [-1, 35, 3] },
        { op: "multiply", inputs: ["y2", "c"] },
      ],
      { c: [3] },
    );
    await expectComputes(exportOnnx(graph), graph);
  });
});

describe("the file", () => {
  it("has the input that ONNX users expect and names the batch", () => {
    const { input, output } = graphOf(exportOnnx(convChain()));
    const dims = (info: (typeof input)[number]) =>
      info.type?.value.case === "tensorType" &&
      info.type.value.value.shape?.dim.map((dim) => dim.value.value);
    expect(input.map((info) => [info.name, dims(info)])).toEqual([["input", ["batch", 3n, 8n, 8n]]]);
    expect(output.map((info) => [info.name, dims(info)])).toEqual([["fc:0", ["batch", 5n]]]);
  });

  it("is opset 21, from this package in its version", () => {
    const model = fromBinary(ModelProtoSchema, exportOnnx(convChain(), { metadata: { made: "by hand" } }));
    expect(model.opsetImport).toMatchObject([{ domain: "", version: 21n }]);
    expect(model.irVersion).toBe(10n);
    expect([model.producerName, model.producerVersion]).toEqual([packageJson.name, packageJson.version]);
    expect(VERSION).toBe(packageJson.version);
    expect(model.metadataProps).toMatchObject([{ key: "made", value: "by hand" }]);
  });

  it("keeps the names of values and nodes", () => {
    const graph = residual();
    const file = graphOf(exportOnnx(graph));
    expect(file.node.map((node) => node.name)).toEqual(graph.nodes.map((node) => node.name));
    expect(file.node.map((node) => node.output[0])).toEqual(graph.nodes.map((node) => node.output));
    expect(new Set(file.initializer.map((tensor) => tensor.name))).toEqual(new Set(graph.constants.keys()));
  });

  it("has the same bytes every time", () => {
    expect(exportOnnx(residual())).toEqual(exportOnnx(residual()));
  });

  it("has filters as ONNX has them", () => {
    const b = new GraphBuilder([-1, 4, 4, 3]);
    const graph = b.outputs(b.depthwise("dw", b.conv("conv", "input", 5, { kernel: 3 }), { multiplier: 2 }));
    const bytes = exportOnnx(graph);
    const conv = initializer(bytes, "conv/filter");
    expect(conv.dims).toEqual([5n, 3n, 3n, 3n]);
    expect(conv.dataType).toBe(TensorProto_DataType.FLOAT);
    const expected = permute(graph.constants.get("conv/filter")!.data, [3, 3, 3, 5], [3, 2, 0, 1]);
    expect(new Float32Array(conv.rawData.slice().buffer)).toEqual(expected);
    expect(initializer(bytes, "dw/filter").dims).toEqual([10n, 1n, 3n, 3n]);
  });

  it.each<[string, number[], (Partial<Node> & Pick<Node, "op">)[], string[]]>([
    ["a flattening in NCHW order", image, [toNchw, { op: "reshape", shape: [-1, 105] }], ["Flatten"]],
    [
      "a flattening of one pixel",
      image,
      [{ op: "globalAveragePool" }, { op: "reshape", shape: [-1, 3] }],
      ["GlobalAveragePool", "Flatten"],
    ],
    [
      "an image from features",
      [-1, 105],
      [{ op: "reshape", shape: [-1, 3, 5, 7] }, toNhwc, { op: "globalAveragePool" }],
      ["Reshape", "GlobalAveragePool"],
    ],
    [
      "channels from features",
      [-1, 6],
      [{ op: "reshape", shape: [-1, 6, 1, 1] }, toNhwc, { op: "globalAveragePool" }],
      ["Reshape", "GlobalAveragePool"],
    ],
    [
      "a channel shuffle",
      [-1, 3, 4, 6],
      [
        toNchw,
        { op: "reshape", shape: [-1, 2, 3, 3, 4] },
        { op: "transpose", permutation: [0, 2, 1, 3, 4] },
        { op: "reshape", shape: [-1, 6, 3, 4] },
        toNhwc,
        { op: "globalAveragePool" },
      ],
      ["Reshape", "Transpose", "Reshape", "GlobalAveragePool"],
    ],
    ["an output that is only renamed", image, [toNchw, toNhwc], ["Identity"]],
    ["an output that is not NCHW", image, [toNchw], ["Transpose"]],
    ["NHWC's flattening", image, [{ op: "reshape", shape: [-1, 105] }], ["Transpose", "Flatten"]],
    [
      "a reshape to the same shape",
      image,
      [{ op: "reshape", shape: image }, { op: "globalAveragePool" }],
      ["GlobalAveragePool"],
    ],
    [
      "a vector between the layouts",
      [-1, 1, 1, 6],
      [
        { op: "reshape", shape: [-1, 6, 1, 1] },
        { op: "reshape", shape: [-1, 1, 1, 6] },
        { op: "globalAveragePool" },
      ],
      ["GlobalAveragePool"],
    ],
  ])("does without needless transpositions: %s", (_what, shape, nodes, expected) => {
    expect(operators(exportOnnx(graphWith(shape, nodes)))).toEqual(expected);
  });

  it("transposes a value once for all who read it literally", () => {
    const graph = graphWith(image, [
      { op: "reshape", inputs: ["x"], shape: [-1, 105] },
      { op: "reshape", inputs: ["x"], shape: [-1, 35, 3] },
      { op: "reshape", shape: [-1, 105] },
      { op: "add", inputs: ["y0", "y2"] },
    ]);
    expect(operators(exportOnnx(graph)).filter((op) => op === "Transpose")).toHaveLength(1);
  });

  it("leaves out what no output needs", () => {
    const b = new GraphBuilder([-1, 4, 4, 3]);
    b.conv("dead", "input", 4);
    const bytes = exportOnnx(b.outputs(b.conv("alive", "input", 4)));
    expect(graphOf(bytes).initializer.map((tensor) => tensor.name)).toEqual(["alive/filter"]);
  });

  it("makes new names where ours are taken", async () => {
    const b = new GraphBuilder([-1, 4, 4, 3]);
    const x = b.conv("a", "input", 3, { activation: { kind: "relu" } });
    b.graph.constants.set("a:0_linear", { shape: [3], data: Float32Array.of(1, 2, 3) });
    const graph = b.outputs(b.add("sum", x, "a:0_linear"));
    await expectComputes(exportOnnx(graph), graph);
  });

  it("refuses an inconsistent graph and a BatchNorm that ONNX cannot say", () => {
    const broken = convChain();
    broken.outputs = ["nowhere"];
    expect(() => exportOnnx(broken)).toThrow(GenieError);
    const parameters = { s: [3], o: [3], m: [3], v: [3] };
    const norm = { op: "batchNorm", inputs: ["x", "s", "o", "m", "v"], epsilon: 1e-3 } as const;
    expect(() => exportOnnx(graphWith([-1, 4, 3], [norm as unknown as Node], parameters))).toThrow(/"node0"/);
  });
});
