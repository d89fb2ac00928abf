/** What is not understood stays in the file as it was, behind the network: by onnxruntime, on both files. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { exportOnnx } from "../../../src/formats/onnx/export.ts";
import { importOnnx } from "../../../src/formats/onnx/import.ts";
import {
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  TensorProto_DataType as DataType,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  ValueInfoProtoSchema,
} from "../../../src/formats/onnx/onnx_pb.ts";
import { runOnnx } from "../../support/onnxruntime.ts";
import { floats, int64s, type ModelParts, model, node, numbers, raw } from "./models.ts";

const SHAPE = [1, 3, 8, 8];
const x = { shape: SHAPE, data: numbers(192, 3) };

/** A convolution, and what is given behind it. */
function behind(nodes: NodeProto[], changes: Partial<ModelParts> = {}): Uint8Array {
  return model({
    inputs: { x: ["batch", 3, 8, 8] },
    outputs: ["y"],
    ...changes,
    nodes: [node("Conv", ["x", "w"], "a", { kernel_shape: [3, 3] }), ...nodes],
    initializers: { w: floats([4, 3, 3, 3]), ...changes.initializers },
  });
}

/** Expects the written file to compute what the file that was read does, in every output. */
async function expectCarried(bytes: Uint8Array): Promise<ReturnType<typeof importOnnx>> {
  const graph = importOnnx(bytes);
  const written = await runOnnx(exportOnnx(graph), { x });
  const wanted = await runOnnx(bytes, { x });
  expect(Object.keys(written)).toEqual(Object.keys(wanted));
  for (const [name, { shape, data }] of Object.entries(wanted)) {
    expect(written[name]!.shape).toEqual(shape);
    data.forEach((value, i) => {
      expect(written[name]!.data[i]).toBeCloseTo(value, 4);
    });
  }
  return graph;
}

describe("an operator that is not understood", () => {
  it("ends the network: it and all behind it, layers too, stay as they were, and are named", async () => {
    const bytes = behind(
      [
        node("Hardmax", ["a"], "h", { axis: 1 }),
        node("Conv", ["h", "v"], "c", { kernel_shape: [1, 1] }),
        node("Relu", ["c"], "y"),
      ],
      { initializers: { v: floats([2, 4, 1, 1]) } },
    );
    const graph = await expectCarried(bytes);
    expect(graph.tail!.reasons).toEqual([expect.stringContaining('node "Hardmax_1" (Hardmax)')]);
    expect(graph.tail!.layers).toEqual(["Conv_2"]);
    expect(graph.nodes.map(({ op }) => op)).toEqual(["conv2d"]);
  });

  it("is carried with its constants, whether the file keeps or computes them", async () => {
    const graph = await expectCarried(
      behind(
        [
          node("Constant", [], "two", { value: floats([1], [2]) }),
          node("Add", ["two", "one"], "three"),
          node("Shape", ["a"], "s"),
          node("Relu", ["a"], "r"),
          node("Hardmax", ["r"], "h", { axis: 1 }),
          node("Mul", ["h", "three"], "t"),
          node("Reshape", ["t", "s"], "y"),
        ],
        { initializers: { one: floats([1], [1]) } },
      ),
    );
    expect(graph.tail).toMatchObject({ outputs: ["y"], inputs: ["x"], layers: [] });
    expect(graph.outputs.toSorted()).toEqual(["a", "r"]);
  });

  it("shares weights with the network under names of its own", async () => {
    const graph = await expectCarried(
      behind(
        [
          node("Relu", ["a"], "r"),
          node("Hardmax", ["r"], "h", { axis: 1 }),
          node("Conv", ["h", "u"], "c", { kernel_shape: [3, 3] }),
          node("Conv", ["x", "w"], "b", { kernel_shape: [3, 3], strides: [2, 2] }),
          node("Flatten", ["c"], "y"),
          node("Flatten", ["b"], "z"),
        ],
        { outputs: ["z", "y"], initializers: { u: floats([3, 4, 3, 3]) } },
      ),
    );
    expect(graph.tail!.layers).toHaveLength(1);
  });

  it("keeps integer outputs and their order among the network's", async () => {
    const bytes = behind(
      [
        node("Flatten", ["a"], "f"),
        node("ArgMax", ["f"], "class", { axis: 1, keepdims: 0 }),
        node("Relu", ["f"], "y"),
      ],
      { outputs: ["class", "y"] },
    );
    const graph = importOnnx(bytes);
    expect(graph.outputs).toContain("y");
    expect(graph.tail!.outputs).toEqual(["class", "y"]);
    const parsed = fromBinary(ModelProtoSchema, exportOnnx(graph)).graph!;
    expect(parsed.output.map(({ name }) => name)).toEqual(["class", "y"]);
  });

  it("has subgraphs that read values of the network", async () => {
    const boolean = raw(DataType.BOOL, [], [1]);
    const branch = (opType: string) =>
      create(GraphProtoSchema, {
        name: opType,
        node: [node(opType, ["r"], `${opType}_out`)],
        output: [
          create(ValueInfoProtoSchema, {
            name: `${opType}_out`,
            type: { value: { case: "tensorType", value: { elemType: DataType.FLOAT } } },
          }),
        ],
      });
    const choice = node("If", ["yes"], "y");
    for (const [name, opType] of [
      ["then_branch", "Neg"],
      ["else_branch", "Abs"],
    ] as const) {
      choice.attribute.push(
        create(AttributeProtoSchema, { name, type: AttributeType.GRAPH, g: branch(opType) }),
      );
    }
    await expectCarried(behind([node("Relu", ["a"], "r"), choice], { initializers: { yes: boolean } }));
  });

  it("has inputs of its own beside the network's", () => {
    const bytes = behind([node("Flatten", ["a"], "f"), node("CumSum", ["f", "axis"], "y")], {
      inputs: { x: ["batch", 3, 8, 8], axis: [1] },
    });
    const graph = importOnnx(bytes);
    expect(graph.inputs.map(({ name }) => name)).toEqual(["x"]);
    expect(graph.tail!.inputs).toEqual(["x", "axis"]);
    const parsed = fromBinary(ModelProtoSchema, exportOnnx(graph)).graph!;
    expect(parsed.input.map(({ name }) => name)).toEqual(["x", "axis"]);
  });

  it("leaves nothing to be quantized where it stands in front: refused with every reason", () => {
    const bytes = model({
      inputs: { x: [1, 3, 8, 8] },
      outputs: ["y"],
      nodes: [node("Det", ["x"], "d"), node("Relu", ["d"], "y")],
    });
    expect(() => importOnnx(bytes)).toThrow(/nothing of the model can be quantized: node "Det_0" \(Det\)/);
  });
});

describe("operators of older sets in a tail", () => {
  const cases: [name: string, opset: number, nodes: NodeProto[]][] = [
    ["Clip's bounds", 9, [node("Clip", ["h"], "y", { min: { float: 0.25 }, max: { float: 0.5 } })]],
    ["Softmax over several axes", 11, [node("Softmax", ["h"], "y", { axis: 1 })]],
    ["ReduceMax's axes", 11, [node("ReduceMax", ["h"], "y", { axes: [2, 3], keepdims: 0 })]],
    ["ReduceSum's axes", 11, [node("ReduceSum", ["h"], "y", { axes: [1] })]],
    [
      "Squeeze and Unsqueeze",
      11,
      [node("Unsqueeze", ["h"], "u", { axes: [1] }), node("Squeeze", ["u"], "y", { axes: [1] })],
    ],
    ["Slice's ranges", 9, [node("Slice", ["h"], "y", { starts: [1], ends: [3], axes: [1] })]],
    ["Split's sizes", 11, [node("Split", ["h"], ["y", "z"], { axis: 1, split: [1, 3] })]],
    ["Split in equal parts", 13, [node("Split", ["h"], ["y", "z"], { axis: 1 })]],
    ["TopK's k", 9, [node("TopK", ["h"], ["y", "i"], { k: 2, axis: 1 })]],
    [
      "Pad's amounts",
      9,
      [node("Pad", ["h"], "y", { pads: [0, 0, 1, 1, 0, 0, 1, 1], value: { float: 0.5 } })],
    ],
    ["Dropout", 9, [node("Dropout", ["h"], "y", { ratio: { float: 0.5 } })]],
    ["Upsample", 8, [node("Upsample", ["h"], "y", { mode: "nearest" })]],
  ];

  it.each(cases)("%s (operator set %i)", async (name, opset, nodes) => {
    if (name === "Upsample") {
      nodes[0]!.attribute.push(
        create(AttributeProtoSchema, { name: "scales", type: AttributeType.FLOATS, floats: [1, 1, 2, 2] }),
      );
    }
    // Hardmax over the last axis means the same in every set.
    const bytes = behind([node("Hardmax", ["a"], "h", { axis: 3 }), ...nodes], { opset });
    await expectCarried(bytes);
  });

  it("operands that are broadcast along an axis (operator set 6)", async () => {
    const bytes = behind(
      [node("Hardmax", ["a"], "h", { axis: 3 }), node("Mul", ["h", "c"], "y", { broadcast: 1, axis: 1 })],
      { initializers: { c: floats([4], [1, 2, 3, 4]) }, opset: 6 },
    );
    const graph = importOnnx(bytes);
    const { y } = await runOnnx(exportOnnx(graph), { x });
    const channels = [0, 1, 2, 3].map((channel) =>
      Math.max(...y!.data.subarray(channel * 36, channel * 36 + 36)),
    );
    expect(channels).toEqual([1, 2, 3, 4]);
  });
});

describe("a batch of 1 in the file", () => {
  const one = { inputs: { x: [1, 3, 8, 8] } };

  it.each<[string, NodeProto[], Record<string, ReturnType<typeof int64s>>]>([
    [
      "merged with channels and split again, as a channel shuffle does",
      [
        node("Reshape", ["a", "pairs"], "p"),
        node("Transpose", ["p"], "t", { perm: [1, 0, 2] }),
        node("Reshape", ["t", "image"], "y"),
      ],
      { pairs: int64s([2, 2, 36]), image: int64s([1, 4, 6, 6]) },
    ],
    [
      "squeezed away, worked on and put back",
      [
        node("Squeeze", ["a", "first"], "s"),
        node("Relu", ["s"], "r"),
        node("Slice", ["r", "from", "to", "first"], "c"),
        node("Unsqueeze", ["c", "first"], "y"),
      ],
      { first: int64s([0]), from: int64s([1]), to: int64s([3]) },
    ],
    [
      "joined over: the result has two, and is flattened to one",
      [
        node("Concat", ["a", "a"], "c", { axis: 0 }),
        node("Sigmoid", ["c"], "s"),
        node("Flatten", ["s"], "y", { axis: 0 }),
      ],
      {},
    ],
  ])("may be %s", async (_name, nodes, initializers) => {
    const graph = await expectCarried(behind(nodes, { ...one, opset: 13, initializers }));
    expect(graph.tail).toBeUndefined();
  });

  it("that an output does without is taken away in the tail", async () => {
    const graph = await expectCarried(
      behind([node("Sigmoid", ["a"], "s"), node("Reshape", ["s", "rows"], "y")], {
        ...one,
        initializers: { rows: int64s([36, 4]) },
      }),
    );
    expect(graph.outputs).toEqual(["s"]);
    expect(graph.tail).toMatchObject({ outputs: ["y"], batch: 1, reasons: [] });
  });
});

describe("files that are merely unusual", () => {
  it("nodes out of order are sorted", () => {
    const sorted = behind([node("Relu", ["a"], "r"), node("Flatten", ["r"], "y")]);
    const parsed = fromBinary(ModelProtoSchema, sorted);
    parsed.graph!.node.reverse();
    const graph = importOnnx(toBinary(ModelProtoSchema, parsed));
    expect(graph.nodes.map(({ op }) => op).slice(0, 2)).toEqual(
      importOnnx(sorted)
        .nodes.map(({ op }) => op)
        .slice(0, 2),
    );
  });
});
