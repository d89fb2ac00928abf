/** TFLite's operators, held against the same network as a TFJS graph model in tfjs's own executor. */
import { describe, expect, it } from "vitest";
import { type ErrorCode, GenieError } from "../../../src/errors.ts";
import { importTflite } from "../../../src/formats/tflite/import.ts";
import { fuseActivations } from "../../../src/ir/fuse.ts";
import { validate } from "../../../src/ir/validate.ts";
import { loadModel } from "../../../src/session/load.ts";
import { evaluate } from "../../ir/evaluate.ts";
import { fused, graphModel, integers, type NodeParts, smallTflite, windows } from "../tensorflow/fixtures.ts";
import { relativeError, runGraphModel, seeded } from "../tensorflow/support.ts";
import { type ModelParts, type OperatorParts, type TensorParts, tfliteModel } from "./models.ts";

type Constants = Record<string, { shape: number[]; data: Float32Array | Int32Array }>;

const i32 = (...values: number[]) => ({ shape: [values.length], data: Int32Array.from(values) });
const f32 = (shape: number[], seed = 1) => ({ shape, data: seeded(shape, seed) });

/** A file of operators that read x, constants and each other's results; the last one is the output. */
function file(shape: number[], constants: Constants, operators: OperatorParts[]): ModelParts {
  const written = operators.flatMap(({ outputs }) => outputs);
  return {
    tensors: [
      { name: "x", shape },
      ...Object.entries(constants).map(
        ([name, { shape: size, data }]): TensorParts => ({
          name,
          shape: size,
          type: data instanceof Int32Array ? 2 : 0,
          data,
        }),
      ),
      ...written.map((name): TensorParts => ({ name, shape: [] })),
    ],
    inputs: ["x"],
    outputs: [written.at(-1)!],
    operators,
  };
}

function outputOf(bytes: Uint8Array, data: Float32Array): Float64Array {
  const graph = fuseActivations(importTflite(bytes));
  validate(graph);
  return evaluate(graph, { [graph.inputs[0]!.name]: data }).get(graph.outputs[0]!)!;
}

async function expectLikeTfjs(
  parts: ModelParts,
  constants: Constants,
  nodes: NodeParts[],
  shape: number[],
): Promise<void> {
  const data = seeded(shape);
  const reference = graphModel(
    { x: shape },
    Object.keys(constants).length > 0 ? constants : { unused: f32([1]) },
    nodes,
    { y: `${nodes.at(-1)!.name}:0` },
  );
  const [wanted] = [...(await runGraphModel(reference.json, reference.weights, shape, data)).values()];
  expect(relativeError(outputOf(tfliteModel(parts), data), wanted!)).toBeLessThan(1e-5);
}

/** A filter [kH, kW, I, O] as [O, kH, kW, I]. */
function outputsFirst({ shape, data }: { shape: number[]; data: Float32Array }) {
  const outputs = shape[3]!;
  const inner = data.length / outputs;
  const moved = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) moved[(i % outputs) * inner + Math.floor(i / outputs)] = data[i]!;
  return { shape: [outputs, ...shape.slice(0, 3)], data: moved };
}

const IMAGE = [1, 6, 5, 4];

/** Operators that TensorFlow has under another name, with the same inputs. */
const unary: [op: string, type: string, options?: OperatorParts["options"], attr?: NodeParts["attr"]][] = [
  ["RELU", "Relu"],
  ["RELU6", "Relu6"],
  ["LOGISTIC", "Sigmoid"],
  ["TANH", "Tanh"],
  ["ELU", "Elu"],
  ["EXP", "Exp"],
  ["ABS", "Abs"],
  ["NEG", "Neg"],
  ["SQUARE", "Square"],
  ["SOFTMAX", "Softmax", [["float", 1]]],
  ["LEAKY_RELU", "LeakyRelu", [["float", 0.3]], { alpha: { f: 0.3 } }],
  [
    "MAX_POOL_2D",
    "MaxPool",
    [
      ["byte", 0],
      ["int", 2],
      ["int", 2],
      ["int", 3],
      ["int", 3],
      ["byte", 0],
    ],
    { ...windows(2, "SAME"), ksize: integers(1, 3, 3, 1) },
  ],
  [
    "AVERAGE_POOL_2D",
    "AvgPool",
    [
      ["byte", 1],
      ["int", 2],
      ["int", 1],
      ["int", 3],
      ["int", 2],
      ["byte", 0],
    ],
    { ...windows(1, "VALID"), strides: integers(1, 1, 2, 1), ksize: integers(1, 2, 3, 1) },
  ],
  [
    "DEPTH_TO_SPACE",
    "DepthToSpace",
    [["int", 2]],
    { block_size: { i: "2" }, data_format: { s: btoa("NHWC") } },
  ],
];

describe("operators compute what tfjs computes", () => {
  it.each(unary)("%s", async (op, type, options, attr) => {
    const parts = file(IMAGE, {}, [{ op, inputs: ["x"], outputs: ["y"], ...(options && { options }) }]);
    await expectLikeTfjs(parts, {}, [{ name: "y", op: type, input: ["x"], ...(attr && { attr }) }], IMAGE);
  });

  it.each<
    [
      op: string,
      type: string,
      constant: Constants[string],
      options?: OperatorParts["options"],
      attr?: NodeParts["attr"],
    ]
  >([
    ["ADD", "AddV2", f32([4], 5), [["byte", 0]]],
    ["SUB", "Sub", f32([1, 1, 1, 4], 5), [["byte", 0]]],
    ["MUL", "Mul", f32([], 5), [["byte", 0]]],
    ["DIV", "RealDiv", f32([4], 6), [["byte", 0]]],
    ["MAXIMUM", "Maximum", f32([4], 6)],
    ["MINIMUM", "Minimum", f32([4], 6)],
    ["PRELU", "Prelu", f32([1, 1, 4], 6)],
    ["SQUARED_DIFFERENCE", "SquaredDifference", f32([4], 6)],
    ["MEAN", "Mean", i32(1, 2), [["bool", true]], { keep_dims: { b: true } }],
    ["SUM", "Sum", i32(3), [["bool", false]], { keep_dims: { b: false } }],
    ["REDUCE_MAX", "Max", i32(2), [["bool", false]], { keep_dims: { b: false } }],
    ["TRANSPOSE", "Transpose", i32(0, 3, 1, 2)],
    ["RESHAPE", "Reshape", i32(1, 30, 4)],
    ["PAD", "Pad", { shape: [4, 2], data: Int32Array.of(0, 0, 1, 0, 2, 1, 0, 0) }],
    [
      "RESIZE_BILINEAR",
      "ResizeBilinear",
      i32(11, 9),
      [
        ["int", 0],
        ["int", 0],
        ["bool", false],
        ["bool", true],
      ],
      { align_corners: { b: false }, half_pixel_centers: { b: true } },
    ],
    [
      "RESIZE_NEAREST_NEIGHBOR",
      "ResizeNearestNeighbor",
      i32(12, 10),
      [
        ["bool", false],
        ["bool", false],
      ],
      { align_corners: { b: false }, half_pixel_centers: { b: false } },
    ],
  ])("%s", async (op, type, c, options, attr) => {
    const parts = file(IMAGE, { c }, [
      { op, inputs: ["x", "c"], outputs: ["y"], ...(options && { options }) },
    ]);
    await expectLikeTfjs(
      parts,
      { c },
      [{ name: "y", op: type, input: ["x", "c"], ...(attr && { attr }) }],
      IMAGE,
    );
  });

  it("CONV_2D with strides, dilations of its own, a bias and RELU_N1_TO_1", async () => {
    const w = f32([3, 2, 4, 5]);
    const b = f32([5], 2);
    const parts = file(IMAGE, { w: outputsFirst(w), b }, [
      {
        op: "CONV_2D",
        inputs: ["x", "w", "b"],
        outputs: ["y"],
        options: [
          ["byte", 0],
          ["int", 1],
          ["int", 2],
          ["byte", 2],
          ["int", 1],
          ["int", 1],
        ],
      },
    ]);
    const limits = { low: f32([], 1), high: f32([], 1) };
    limits.low.data[0] = -1;
    limits.high.data[0] = 1;
    await expectLikeTfjs(
      parts,
      { w, b, ...limits },
      [
        {
          name: "conv",
          op: "_FusedConv2D",
          input: ["x", "w", "b"],
          attr: { ...windows(1, "SAME"), strides: integers(1, 2, 1, 1), ...fused("BiasAdd") },
        },
        { name: "low_bound", op: "Maximum", input: ["conv", "low"] },
        { name: "y", op: "Minimum", input: ["low_bound", "high"] },
      ],
      IMAGE,
    );
  });

  it("DEPTHWISE_CONV_2D with a multiplier, dilated, with RELU6", async () => {
    const w = f32([2, 3, 4, 2]);
    const parts = file(IMAGE, { w: { shape: [1, 2, 3, 8], data: w.data } }, [
      {
        op: "DEPTHWISE_CONV_2D",
        inputs: ["x", "w"],
        outputs: ["y"],
        options: [
          ["byte", 0],
          ["int", 1],
          ["int", 1],
          ["int", 2],
          ["byte", 3],
          ["int", 2],
          ["int", 2],
        ],
      },
    ]);
    await expectLikeTfjs(
      parts,
      { w },
      [
        {
          name: "conv",
          op: "DepthwiseConv2dNative",
          input: ["x", "w"],
          attr: { ...windows(1, "SAME"), dilations: integers(1, 2, 2, 1) },
        },
        { name: "y", op: "Relu6", input: ["conv"] },
      ],
      IMAGE,
    );
  });

  it("TRANSPOSE_CONV", async () => {
    const w = f32([3, 3, 3, 4]);
    const size = i32(1, 12, 10, 3);
    // [kH, kW, O, I] as [O, kH, kW, I].
    const moved = outputsFirst({ shape: [9, 1, 4, 3], data: swapLast(w.data, 3, 4) });
    const parts = file(IMAGE, { size, w: { shape: [3, 3, 3, 4], data: moved.data } }, [
      {
        op: "TRANSPOSE_CONV",
        inputs: ["size", "w", "x"],
        outputs: ["y"],
        options: [
          ["byte", 0],
          ["int", 2],
          ["int", 2],
          ["byte", 0],
        ],
      },
    ]);
    await expectLikeTfjs(
      parts,
      { size, w },
      [{ name: "y", op: "Conv2DBackpropInput", input: ["size", "w", "x"], attr: windows(2, "SAME") }],
      IMAGE,
    );
  });

  it("FULLY_CONNECTED flattens an image", async () => {
    const w = f32([120, 3]);
    const parts = file(IMAGE, { w: { shape: [3, 120], data: swapLast(w.data, 120, 3) } }, [
      {
        op: "FULLY_CONNECTED",
        inputs: ["x", "w"],
        outputs: ["y"],
        options: [
          ["byte", 0],
          ["byte", 0],
          ["bool", false],
        ],
      },
    ]);
    const attr = { transpose_a: { b: false }, transpose_b: { b: false } };
    await expectLikeTfjs(
      parts,
      { w, rows: i32(-1, 120) },
      [
        { name: "flat", op: "Reshape", input: ["x", "rows"] },
        { name: "y", op: "MatMul", input: ["flat", "w"], attr },
      ],
      IMAGE,
    );
  });
});

/** Matrices [rows, columns] side by side, each transposed. */
function swapLast(data: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(data.length);
  const size = rows * columns;
  for (let i = 0; i < data.length; i++) {
    const at = i % size;
    out[i - at + (at % columns) * rows + Math.floor(at / columns)] = data[i]!;
  }
  return out;
}

describe("files", () => {
  it("weights of float16 behind a DEQUANTIZE are floats", () => {
    // 0.5, −2 and 1/3 in binary16.
    const data = Uint16Array.of(0x3800, 0xc000, 0x3555);
    const parts: ModelParts = {
      tensors: [
        { name: "x", shape: [1, 3] },
        { name: "half", shape: [3], type: 1, data },
        { name: "c", shape: [3] },
        { name: "y", shape: [1, 3] },
      ],
      inputs: ["x"],
      outputs: ["y"],
      operators: [
        { op: "DEQUANTIZE", inputs: ["half"], outputs: ["c"] },
        { op: "MUL", inputs: ["x", "c"], outputs: ["y"], options: [["byte", 0]] },
      ],
    };
    const [a, b, c] = outputOf(tfliteModel(parts), Float32Array.of(1, 1, 3));
    expect([a, b]).toEqual([0.5, -2]);
    expect(c).toBeCloseTo(1, 3);
  });

  it("a quantized file computes with the values of its integers, rectified where the range says so", () => {
    const quantized = (name: string, shape: number[], scale: number, zeroPoint: number): TensorParts => ({
      name,
      shape,
      type: 9,
      scale: [scale],
      zeroPoint: [zeroPoint],
    });
    const parts: ModelParts = {
      tensors: [
        quantized("x", [1, 2], 0.1, 0),
        {
          name: "w",
          shape: [2, 2],
          type: 9,
          data: Int8Array.of(10, -20, 30, 40),
          scale: [0.1, 0.01],
          zeroPoint: [0, 0],
        },
        { name: "b", shape: [2], type: 2, data: Int32Array.of(100, -300), scale: [0.01, 0.001] },
        quantized("dense", [1, 2], 0.05, -128),
        quantized("y", [1, 2], 0.05, 0),
      ],
      inputs: ["x"],
      outputs: ["y"],
      operators: [
        {
          op: "FULLY_CONNECTED",
          inputs: ["x", "w", "b"],
          outputs: ["dense"],
          options: [
            ["byte", 0],
            ["byte", 0],
            ["bool", false],
          ],
        },
        { op: "QUANTIZE", inputs: ["dense"], outputs: ["y"] },
      ],
    };
    const notes: string[] = [];
    const graph = importTflite(tfliteModel(parts), { onNote: (note) => notes.push(note) });
    expect(notes).toEqual([expect.stringMatching(/weights and activations are integers/)]);
    const values = evaluate(graph, { x: Float32Array.of(1, 2) });
    const [first, second] = values.get(graph.outputs[0]!)!;
    // [1·1 − 2·2 + 1, 0.3·1 + 0.4·2 − 0.3], of which the first is below zero.
    expect(first).toBe(0);
    expect(second).toBeCloseTo(0.8, 6);
  });

  it("SELU written out is put together again", () => {
    const zero = { shape: [], data: Float32Array.of(0) };
    const parts = file(
      IMAGE,
      {
        zero,
        one: { shape: [], data: Float32Array.of(1) },
        gamma: { shape: [], data: Float32Array.of(1.0507) },
        c: { shape: [], data: Float32Array.of(1.7581) },
      },
      [
        { op: "GREATER", inputs: ["x", "zero"], outputs: ["isAbove"] },
        { op: "MUL", inputs: ["x", "gamma"], outputs: ["above"], options: [["byte", 0]] },
        { op: "EXP", inputs: ["x"], outputs: ["exp"] },
        { op: "SUB", inputs: ["exp", "one"], outputs: ["less"], options: [["byte", 0]] },
        { op: "MUL", inputs: ["less", "c"], outputs: ["below"], options: [["byte", 0]] },
        { op: "SELECT", inputs: ["isAbove", "above", "below"], outputs: ["y"] },
      ],
    );
    const graph = importTflite(tfliteModel(parts));
    expect(graph.nodes).toMatchObject([{ op: "activation", activation: { kind: "selu" } }]);
    const data = seeded(IMAGE);
    const values = evaluate(graph, { x: data }).get("y")!;
    const wanted = data.map((v) => (v > 0 ? 1.0507 * v : 1.7581 * (Math.exp(v) - 1)));
    expect(relativeError(values, wanted)).toBeLessThan(1e-6);
  });

  it("transpositions between [N, C, H, W] and [N, H, W, C] cancel, and the input is an image", () => {
    const parts = file(
      [1, 3, 6, 5],
      { last: i32(0, 2, 3, 1), first: i32(0, 3, 1, 2), w: f32([4, 1, 1, 3]), v: f32([2, 1, 1, 4], 2) },
      [
        { op: "TRANSPOSE", inputs: ["x", "last"], outputs: ["a"] },
        conv("a", "w", "b"),
        { op: "TRANSPOSE", inputs: ["b", "first"], outputs: ["c"] },
        { op: "TANH", inputs: ["c"], outputs: ["d"] },
        { op: "TRANSPOSE", inputs: ["d", "last"], outputs: ["e"] },
        conv("e", "v", "f"),
        { op: "TRANSPOSE", inputs: ["f", "first"], outputs: ["y"] },
      ],
    );
    const graph = importTflite(tfliteModel(parts));
    expect(graph.inputs[0]!.shape).toEqual([-1, 6, 5, 3]);
    expect(graph.nodes.map(({ op }) => op)).toEqual(["conv2d", "activation", "conv2d"]);
  });

  it("is told by its identifier, whatever it is called", async () => {
    expect((await loadModel(smallTflite())).outputs).toEqual(["y"]);
  });
});

function conv(x: string, w: string, y: string): OperatorParts {
  const options: OperatorParts["options"] = [
    ["byte", 1],
    ["int", 1],
    ["int", 1],
    ["byte", 0],
    ["int", 1],
    ["int", 1],
  ];
  return { op: "CONV_2D", inputs: [x, w], outputs: [y], options };
}

describe("refusals", () => {
  const refusal = (bytes: Uint8Array): GenieError => {
    try {
      importTflite(bytes);
    } catch (error) {
      if (error instanceof GenieError) return error;
      throw error;
    }
    throw new Error("the file was taken");
  };
  const relu = (name: string): OperatorParts => ({ op: "RELU", inputs: ["x"], outputs: [name] });

  it("names every operator in the way at once, custom ones by their own name", () => {
    const { code, message } = refusal(
      tfliteModel(
        file([1, 4], {}, [
          { op: "CUMSUM", inputs: ["x"], outputs: ["a"] },
          { op: "CUSTOM", custom: "TFLite_Detection_PostProcess", inputs: ["a"], outputs: ["y"] },
        ]),
      ),
    );
    expect(code).toBe("unsupported-operator");
    expect(message).toMatch(/"a" uses.*CUMSUM.*"y" uses.*CUSTOM TFLite_Detection_PostProcess/);
  });

  it.each<[string, Uint8Array, ErrorCode, RegExp]>([
    [
      "nothing behind the identifier",
      new TextEncoder().encode("\x08\0\0\0TFL3\0\0\0\0"),
      "malformed-file",
      /TFLite/,
    ],
    ["half a file", smallTflite().slice(0, 900), "malformed-file", /TFLite|constant/],
    [
      "control characters",
      tfliteModel(file([1, 4], {}, [relu("a\u001b[2J")])),
      "malformed-file",
      /control characters/,
    ],
    [
      "a constant shorter than its shape",
      tfliteModel(
        file([1, 4], { c: { shape: [9], data: Float32Array.of(1) } }, [
          { op: "ADD", inputs: ["x", "c"], outputs: ["y"], options: [["byte", 0]] },
        ]),
      ),
      "malformed-file",
      /constant "c" of shape \[9\].*4 bytes/,
    ],
    [
      "a reshape to another number of elements",
      tfliteModel(file([1, 4], { s: i32(1, 5) }, [{ op: "RESHAPE", inputs: ["x", "s"], outputs: ["y"] }])),
      "unsupported-operator",
      /mixes the batch/,
    ],
  ])("%s", (_what, bytes, code, message) => {
    const error = refusal(bytes);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });
});
