/** Files that are not what they should be: every one is refused with a typed error, soon and in little memory. */
import { existsSync, readFileSync } from "node:fs";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ErrorCode, GenieError } from "../../../src/errors.ts";
import { importOnnx } from "../../../src/formats/onnx/import.ts";
import {
  TensorProto_DataLocation as DataLocation,
  TensorProto_DataType as DataType,
  type ModelProto,
  ModelProtoSchema,
  TensorProtoSchema,
} from "../../../src/formats/onnx/onnx_pb.ts";
import { validate } from "../../../src/ir/validate.ts";
import { loadModel } from "../../../src/session/load.ts";
import { measured } from "../../support/measured.ts";
import { floats, int64s, type ModelParts, model, node, raw } from "./models.ts";

const RESNET20 = new URL("../../../../shared/zoo/cifar10-resnet20.onnx", import.meta.url);

function refusal(bytes: Uint8Array, inputShape?: number[]): GenieError {
  try {
    importOnnx(bytes, inputShape ? { inputShape } : {});
  } catch (error) {
    if (error instanceof GenieError) return error;
    throw error;
  }
  throw new Error("the file was taken");
}

function expectRefusal(bytes: Uint8Array, code: ErrorCode, message: RegExp, inputShape?: number[]): void {
  const error = refusal(bytes, inputShape);
  expect(error.code).toBe(code);
  expect(error.message).toMatch(message);
  expect(error.message).not.toContain("\n");
}

/** A convolution, normalized, pooled and classified; `changes` replace its parts. */
function network(changes: Partial<ModelParts> = {}): Uint8Array {
  return model({
    inputs: { x: ["batch", 3, 8, 8] },
    outputs: ["y"],
    nodes: [
      node("Conv", ["x", "w"], "a", { pads: [1, 1, 1, 1] }),
      node("BatchNormalization", ["a", "g", "b", "m", "v"], "n"),
      node("Relu", ["n"], "r"),
      node("GlobalAveragePool", ["r"], "p"),
      node("Shape", ["p"], "s"),
      node("Slice", ["s", "zero", "one"], "n0"),
      node("Concat", ["n0", "minus"], "rows", { axis: 0 }),
      node("Reshape", ["p", "rows"], "f"),
      node("Gemm", ["f", "k"], "y"),
    ],
    initializers: {
      w: floats([4, 3, 3, 3]),
      g: floats([4]),
      b: floats([4]),
      m: floats([4]),
      v: floats([4], [1, 2, 3, 4]),
      k: floats([4, 2]),
      zero: int64s([0]),
      one: int64s([1]),
      minus: int64s([-1]),
    },
    ...changes,
  });
}

/** A network that reshapes its input to a computed shape. */
function withShape(nodes: ModelParts["nodes"], initializers: ModelParts["initializers"] = {}): Uint8Array {
  return model({
    inputs: { x: ["batch", 4] },
    outputs: ["y"],
    nodes: [...nodes, node("Add", ["x", "c"], "y")],
    initializers,
  });
}

describe("other files", () => {
  const text = (content: string) => new TextEncoder().encode(content);
  it.each<[string, Uint8Array, RegExp]>([
    ["nothing", new Uint8Array(), /empty/],
    ["text", text("hello, this is a letter and not a model at all"), /text/],
    ["JSON", text('{"modelTopology": {}}'), /JSON/],
    ["a zip archive", Uint8Array.from([80, 75, 3, 4, 20, 0, 0, 0, 8, 0]), /zip.*PyTorch/],
    ["a pickle", Uint8Array.from([0x80, 2, 0x8a, 10]), /pickle/],
    ["HDF5", Uint8Array.from([0x89, 72, 68, 70, 13, 10, 26, 10]), /HDF5.*Keras/],
    ["TensorFlow Lite", Uint8Array.from([28, 0, 0, 0, 84, 70, 76, 51, 1]), /TensorFlow Lite/],
    ["zeros", new Uint8Array(1000), /not a readable ONNX file/],
  ])("%s is named", (_name, bytes, message) => {
    expectRefusal(bytes, "malformed-file", message);
  });

  it("a name that would steer a terminal", () => {
    const relu = node("Relu", ["x"], "y");
    relu.name = "\u001b[2Jrelu";
    expectRefusal(network({ nodes: [relu] }), "malformed-file", /control characters/);
  });

  it("a file without a graph", () => {
    const empty = toBinary(ModelProtoSchema, create(ModelProtoSchema, { producerName: "nobody" }));
    expectRefusal(empty, "malformed-file", /not a readable ONNX file/);
  });

  it("a file in an operator set out of range", () => {
    expectRefusal(network({ opset: 99 }), "unsupported-operator", /operator set 99; 1 to/);
  });

  it("weights in another file", () => {
    const w = create(TensorProtoSchema, {
      dims: [4n, 3n, 3n, 3n],
      dataType: DataType.FLOAT,
      dataLocation: DataLocation.EXTERNAL,
      externalData: [{ key: "location", value: "../../secret.bin" }],
    });
    expectRefusal(
      model({
        inputs: { x: [1, 3, 8, 8] },
        outputs: ["y"],
        nodes: [node("Conv", ["x", "w"], "y")],
        initializers: { w },
      }),
      "malformed-file",
      /initializer "w" is stored in another file/,
    );
  });
});

describe("shapes of inputs", () => {
  const open = network({ inputs: { x: ["batch", 3, "height", "width"] } });

  it("a dynamic size asks for --input-shape, and takes it with or without the batch", () => {
    expectRefusal(open, "dynamic-shape", /"x".*\[batch, 3, height, width\].*--input-shape/);
    for (const inputShape of [
      [1, 3, 6, 10],
      [-1, 3, 6, 10],
      [3, 6, 10],
    ]) {
      expect(importOnnx(open, { inputShape }).inputs).toEqual([{ name: "x", shape: [-1, 6, 10, 3] }]);
    }
  });

  it("a shape that contradicts the file", () => {
    expectRefusal(open, "invalid-option", /\[1, 4, 6, 10\] does not fit/, [1, 4, 6, 10]);
    expectRefusal(open, "invalid-option", /does not fit/, [6, 10]);
    expectRefusal(open, "invalid-option", /does not fit/, [3, 0, 10]);
    expectRefusal(network(), "invalid-option", /does not fit/, [3, 8, 9]);
  });
});

describe("operators", () => {
  it("unsupported ones in front of all layers are named, all of them, with what is supported", () => {
    const bytes = network({
      nodes: [
        node("LSTM", ["x"], "l"),
        node("Det", ["x"], "d"),
        node("Conv", ["l", "w"], "a"),
        node("Add", ["a", "d"], "y"),
      ],
    });
    expectRefusal(bytes, "unsupported-operator", /LSTM_0.*LSTM.*Det_1.*Det.*supported are Abs, .*Unsqueeze/);
  });

  it("other domains are not ONNX's", () => {
    const gelu = node("Relu", ["x"], "y");
    gelu.domain = "com.microsoft";
    expectRefusal(network({ nodes: [gelu] }), "unsupported-operator", /com\.microsoft\.Relu/);
  });

  it("what no output needs may be anything", () => {
    const graph = importOnnx(network({ nodes: [node("LSTM", ["x"], "unused"), node("Relu", ["x"], "y")] }));
    expect(graph.nodes).toHaveLength(1);
  });
});

describe("graphs that contradict themselves", () => {
  const nodes = (...list: ModelParts["nodes"]) => network({ nodes: list });
  it.each<[string, Uint8Array, RegExp]>([
    [
      "a cycle",
      nodes(node("Add", ["x", "c"], "a"), node("Relu", ["a"], "c"), node("Relu", ["c"], "y")),
      /cycle/,
    ],
    ["a node that reads itself", nodes(node("Add", ["x", "y"], "y")), /cycle/],
    ["a value that nothing writes", nodes(node("Add", ["x", "lost"], "y")), /"lost", which nothing/],
    ["an output that nothing writes", network({ outputs: ["lost"] }), /"lost", which nothing/],
    ["two writers of a value", nodes(node("Relu", ["x"], "y"), node("Tanh", ["x"], "y")), /already taken/],
    ["a writer of an input", nodes(node("Relu", ["x"], "x")), /already taken/],
    ["an output that is constant", network({ outputs: ["k"] }), /"k" is not computed from its input/],
    ["weights of the wrong shape", nodes(node("Conv", ["x", "k"], "y")), /weights have shape \[4,2\]/],
    [
      "weights for other channels",
      nodes(node("Conv", ["x", "w"], "a"), node("Conv", ["a", "w"], "y")),
      /do not fit/,
    ],
    [
      "a kernel larger than the image",
      nodes(node("MaxPool", ["x"], "y", { kernel_shape: [9, 9] })),
      /MaxPool_0/,
    ],
    ["a stride of 0", nodes(node("Conv", ["x", "w"], "y", { strides: [0, 1] })), /strides are \[0,1\]/],
    ["an attribute of the wrong type", nodes(node("Conv", ["x", "w"], "y", { group: "two" })), /wrong type/],
    ["an axis too far", nodes(node("Softmax", ["x"], "y", { axis: 4 })), /axis 4 is not one of 4/],
    ["an impossible reshape", nodes(node("Reshape", ["x", "zero"], "y")), /cannot become/],
  ])("%s", (_name, bytes, message) => {
    expectRefusal(bytes, "invalid-model", message);
  });

  it("one initializer twice", () => {
    const file = fromBinary(ModelProtoSchema, network());
    file.graph!.initializer.push(file.graph!.initializer[0]!);
    expectRefusal(toBinary(ModelProtoSchema, file), "invalid-model", /two initializers are called "w"/);
  });
});

describe("hostile sizes", () => {
  const huge = 2n ** 40n;
  it.each<[string, Uint8Array, ErrorCode]>([
    [
      "data shorter than its shape",
      network({ initializers: { w: raw(DataType.FLOAT, [2 ** 20, 3, 3, 3], [1, 2, 3, 4]) } }),
      "malformed-file",
    ],
    [
      "data longer than its shape",
      network({ initializers: { w: raw(DataType.FLOAT, [1], [1, 2, 3, 4, 5, 6, 7, 8]) } }),
      "malformed-file",
    ],
    [
      "a negative dimension",
      network({ initializers: { w: raw(DataType.FLOAT, [-1, 3, 3, 3], []) } }),
      "malformed-file",
    ],
    [
      "dimensions beyond all numbers",
      withShape([], {
        c: create(TensorProtoSchema, { dims: Array(64).fill(huge), dataType: DataType.FLOAT }),
      }),
      "malformed-file",
    ],
    [
      "a thousand dimensions",
      withShape([], {
        c: create(TensorProtoSchema, {
          dims: Array(1000).fill(1n),
          dataType: DataType.FLOAT,
          floatData: [1],
        }),
      }),
      "malformed-file",
    ],
    [
      "ConstantOfShape of 2^40",
      withShape([node("ConstantOfShape", ["s"], "c")], { s: int64s([huge]) }),
      "invalid-model",
    ],
    [
      "ConstantOfShape of nested huge dimensions",
      withShape([node("ConstantOfShape", ["s"], "c")], { s: int64s([huge, huge, huge]) }),
      "invalid-model",
    ],
    [
      "Expand to 2^40",
      withShape([node("Expand", ["o", "s"], "c")], { o: floats([1]), s: int64s([huge]) }),
      "invalid-model",
    ],
    [
      "Range to 2^60",
      withShape([node("Range", ["a", "b", "d"], "c")], { a: int64s(0), b: int64s(2n ** 60n), d: int64s(1) }),
      "invalid-model",
    ],
    [
      "Range with a step of 0",
      withShape([node("Range", ["a", "b", "d"], "c")], { a: int64s(0), b: int64s(1), d: int64s(0) }),
      "invalid-model",
    ],
    [
      "a pad of 2^40",
      network({
        nodes: [node("Pad", ["x", "p"], "y")],
        initializers: { p: int64s([0, 0, 0, 0, 0, 0, huge, 0]) },
      }),
      "invalid-model",
    ],
    [
      "an upsampling of 2^30",
      network({
        nodes: [node("Resize", ["x", "", "s"], "y", { mode: "nearest" })],
        initializers: { s: floats([4], [1, 1, 2 ** 30, 2 ** 30]) },
      }),
      "invalid-model",
    ],
    ["an input of 2^40 pixels", network({ inputs: { x: ["batch", 3, 2 ** 20, 2 ** 20] } }), "invalid-model"],
  ])("%s", (_name, bytes, code) => {
    const started = performance.now();
    const error = refusalOfLoading(bytes);
    expect(error.code).toBe(code);
    expect(error.message).not.toContain("\n");
    expect(performance.now() - started).toBeLessThan(1000);
  });

  it("doublings, thirty of them", () => {
    const nodes = Array.from({ length: 30 }, (_, i) =>
      node("Concat", [`v${i}`, `v${i}`], `v${i + 1}`, { axis: 0 }),
    );
    const bytes = withShape([...nodes, node("Identity", ["v30"], "c")], { v0: floats([64]) });
    const started = performance.now();
    expectRefusal(bytes, "invalid-model", /too large/);
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it("empty shapes with huge other dimensions", () => {
    const bytes = withShape(
      [
        node("ConstantOfShape", ["s"], "e"),
        node("Concat", ["e", "e"], "f", { axis: 1 }),
        node("Gather", ["f", "i"], "g", { axis: 0 }),
        node("Add", ["g", "o"], "c"),
      ],
      { s: int64s([2n ** 50n, 0]), i: int64s(Array(100).fill(1)), o: floats([1]) },
    );
    const started = performance.now();
    refusalOfLoading(bytes);
    expect(performance.now() - started).toBeLessThan(1000);
  });

  it("one name for fifty thousand nodes", async () => {
    const nodes = Array.from({ length: 50_000 }, (_, i) => {
      const relu = node("Relu", [i === 0 ? "x" : `v${i - 1}`], i === 49_999 ? "y" : `v${i}`);
      relu.name = "same";
      return relu;
    });
    const bytes = network({ nodes });
    const { result: graph, seconds } = await measured(async () => importOnnx(bytes));
    expect(seconds).toBeLessThan(8);
    expect(new Set(graph.nodes.map(({ name }) => name)).size).toBe(50_000);
  });

  it.each<[string, () => Uint8Array, RegExp]>([
    [
      "two hundred thousand nodes",
      () => {
        const chain = (i: number) =>
          node("Relu", [i === 0 ? "x" : `v${i - 1}`], i === 199_999 ? "y" : `v${i}`);
        return network({ nodes: Array.from({ length: 200_000 }, (_, i) => chain(i)) });
      },
      /more than 65536 nodes/,
    ],
    [
      "a Split of 300 000 outputs",
      () => {
        const parts = Array.from({ length: 300_000 }, (_, i) => (i === 0 ? "y" : `p${i}`));
        return network({ nodes: [node("Split", ["x"], parts, { axis: 1 })] });
      },
      /more than 65536 nodes/,
    ],
    [
      "a million names of inputs",
      () => network({ nodes: [node("Concat", Array<string>(2 ** 20).fill("x"), "y", { axis: 1 })] }),
      /more than 1048576 names/,
    ],
  ])("%s are refused before they become objects", async (_what, make, message) => {
    const bytes = make();
    const { result, peak } = await measured(() => loadModel(bytes).catch((error: unknown) => error));
    expect(result).toMatchObject({ name: "GenieError", code: "limit-exceeded" });
    expect((result as GenieError).message).toMatch(message);
    expect(peak).toBeLessThan(100e6);
  });

  it("a Split of 300 000 outputs that the caller allows is read", async () => {
    const parts = Array.from({ length: 300_000 }, (_, i) => (i === 0 ? "y" : `p${i}`));
    const bytes = network({
      inputs: { x: ["batch", 300_000, 1, 1] },
      nodes: [node("Split", ["x"], parts, { axis: 1 })],
    });
    const allowed = { limits: { nodes: 1e6, entries: 1e7 } };
    await expect(loadModel(bytes, allowed)).resolves.toMatchObject({ outputs: ["y"] });
  });
});

describe("damage", () => {
  const files: [string, Uint8Array][] = [["a small network", network()]];
  if (existsSync(RESNET20)) files.push(["ResNet-20", readFileSync(RESNET20)]);

  it.each(files)("%s cut short anywhere is refused", (_name, bytes) => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: bytes.length - 1 }), (length) => {
        expect(refusal(bytes.subarray(0, length)).code).toBe("malformed-file");
      }),
      { numRuns: 200, seed: 1 },
    );
  });

  it.each(files)("%s with bytes changed is read or refused", (_name, bytes) => {
    // Weights are most of a file; its structure stands in front of them.
    const position = fc.oneof(fc.nat(bytes.length - 1), fc.nat(Math.min(bytes.length, 12_000) - 1));
    const changes = fc.array(fc.tuple(position, fc.nat(255)), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(changes, (list) => {
        const damaged = Uint8Array.from(bytes);
        for (const [at, value] of list) damaged[at] = value;
        readOrRefuse(damaged);
      }),
      { numRuns: bytes.length > 100_000 ? 150 : 3000, seed: 1 },
    );
  });

  it("attributes, shapes and integers changed at random are read or refused", () => {
    const value = fc.oneof(
      fc.bigInt(-10n, 10n),
      fc.constantFrom(2n ** 31n, 2n ** 40n, 2n ** 62n, -(2n ** 63n)),
    );
    fc.assert(
      fc.property(fc.nat(), value, (choice, changed) => {
        const file = fromBinary(ModelProtoSchema, network());
        const places = integersOf(file);
        places[choice % places.length]!(changed);
        readOrRefuse(toBinary(ModelProtoSchema, file));
      }),
      { numRuns: 500, seed: 1 },
    );
  });
});

/** Setters of every integer that a file's graph depends on. */
function integersOf({ graph }: ModelProto): ((value: bigint) => void)[] {
  const places: ((value: bigint) => void)[] = [];
  const list = (values: bigint[]) =>
    values.forEach((_, i) => {
      places.push((value) => {
        values[i] = value;
      });
    });
  for (const { attribute } of graph!.node) for (const { ints } of attribute) list(ints);
  for (const { dims, int64Data } of graph!.initializer) {
    list(dims);
    list(int64Data);
  }
  for (const { type } of graph!.input) {
    if (type?.value.case !== "tensorType") continue;
    for (const dimension of type.value.value.shape?.dim ?? []) {
      places.push((value) => {
        dimension.value = { case: "dimValue", value };
      });
    }
  }
  return places;
}

function readOrRefuse(bytes: Uint8Array): void {
  try {
    validate(importOnnx(bytes));
  } catch (error) {
    if (!(error instanceof GenieError)) throw error;
    expect(error.message).not.toContain("\n");
  }
}

/** As the facade reads a file: imported, then validated. */
function refusalOfLoading(bytes: Uint8Array): GenieError {
  try {
    validate(importOnnx(bytes));
  } catch (error) {
    if (error instanceof GenieError) return error;
    throw error;
  }
  throw new Error("the file was taken");
}
