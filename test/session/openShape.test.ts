/** Files that leave their input's size open, and files that keep their weights beside them. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import {
  TensorProto_DataLocation as DataLocation,
  ModelProtoSchema,
} from "../../src/formats/onnx/onnx_pb.ts";
import { loadModel } from "../../src/session/load.ts";
import { floats, type ModelParts, model, node } from "../formats/onnx/models.ts";

const conv = node("Conv", ["x", "w"], "a", { kernel_shape: [3, 3], pads: [1, 1, 1, 1], strides: [2, 2] });
const open = (changes: Partial<ModelParts>): Uint8Array =>
  model({
    inputs: { x: ["batch", 3, "height", "width"] },
    outputs: ["y"],
    nodes: [conv, node("Relu", ["a"], "y")],
    ...changes,
    initializers: { w: floats([4, 3, 3, 3]), ...changes.initializers },
  });

describe("an input of open size", () => {
  it("is 224×224 where the network takes any, and a note says so", async () => {
    const notes: string[] = [];
    const graph = await loadModel(open({}), { onNote: (note) => notes.push(note) });
    expect(graph.inputs[0]!.shape).toEqual([-1, 224, 224, 3]);
    expect(notes).toEqual([
      expect.stringMatching(/\[N, 3, \?, \?\]: \[N, 3, 224, 224\] is taken; --input-shape/),
    ]);
  });

  it.each([28, 96, 200])("is %i where a dense layer behind a flatten takes nothing else", async (side) => {
    const features = 4 * Math.ceil(side / 2) ** 2;
    const bytes = open({
      nodes: [conv, node("Flatten", ["a"], "f"), node("Gemm", ["f", "v"], "y")],
      initializers: { v: floats([features, 2]) },
    });
    const { inputs } = await loadModel(bytes);
    expect(inputs[0]!.shape).toEqual([-1, side, side, 3]);
  });

  it("has the side that the file does state twice, if that fits", async () => {
    const { inputs } = await loadModel(open({ inputs: { x: [1, 3, 48, "width"] } }));
    expect(inputs[0]!.shape).toEqual([-1, 48, 48, 3]);
  });

  it("has the size that is given, also where that is only a part of it", async () => {
    const { inputs } = await loadModel(open({}), { inputShape: [-1, -1, 480, 640] });
    expect(inputs[0]!.shape).toEqual([-1, 480, 640, 3]);
  });

  it("is an error where nothing usual fits", async () => {
    const bytes = open({
      nodes: [conv, node("Flatten", ["a"], "f"), node("Gemm", ["f", "v"], "y")],
      initializers: { v: floats([7, 2]) },
    });
    await expect(loadModel(bytes)).rejects.toMatchObject({ code: "dynamic-shape" });
  });
});

describe("weights in a file beside the model", () => {
  const weights = Float32Array.from({ length: 108 }, (_, i) => Math.sin(i));
  const outside = (changes: Record<string, string> = {}): Uint8Array => {
    const parsed = fromBinary(ModelProtoSchema, open({}));
    const [tensor] = parsed.graph!.initializer;
    const entries = { location: "m.onnx.data", offset: "16", length: String(4 * 108), ...changes };
    Object.assign(tensor!, {
      rawData: new Uint8Array(0),
      dataLocation: DataLocation.EXTERNAL,
      externalData: Object.entries(entries).map(([key, value]) => ({
        $typeName: "onnx.StringStringEntryProto",
        key,
        value,
      })),
    });
    return toBinary(ModelProtoSchema, parsed);
  };
  const file = new Uint8Array(16 + 4 * 108);
  file.set(new Uint8Array(weights.buffer), 16);

  it("are read from there, once", async () => {
    const asked: string[] = [];
    const graph = await loadModel(outside(), {
      inputShape: [1, 3, 8, 8],
      readShard: async (path) => {
        asked.push(path);
        return file;
      },
    });
    expect(asked).toEqual(["m.onnx.data"]);
    expect([...graph.constants.values()][0]!.data.toSorted()).toEqual(weights.toSorted());
  });

  it.each([
    { offset: "20" },
    { offset: "-4" },
    { length: "1e30" },
    { offset: "99999999999999999999" },
    { length: "431" },
  ])("that do not lie where %o says are refused", async (changes) => {
    const loading = loadModel(outside(changes), { inputShape: [1, 3, 8, 8], readShard: async () => file });
    await expect(loading).rejects.toMatchObject({ code: "malformed-file" });
  });

  it("without a way to read them are named", async () => {
    await expect(loadModel(outside())).rejects.toMatchObject({
      code: "malformed-file",
      message: expect.stringContaining("m.onnx.data"),
    });
  });
});
