/** Files that are not read are named as what they are. */
import { describe, expect, it } from "vitest";
import { GenieError } from "../../../src/errors.ts";
import { nameFile, nameFolder } from "../../../src/formats/foreign/name.ts";
import { loadModel } from "../../../src/session/load.ts";

const latin1 = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));

/** A zip archive's beginning, and the names that its directory lists at the end. */
const zip = (...names: string[]) =>
  latin1(`PK\x03\x04${"\0".repeat(100)}${names.map((name) => `PK\x01\x02${name}`).join("")}`);

const files: [what: string, bytes: Uint8Array, name: RegExp, way: RegExp][] = [
  ["PyTorch's zip", zip("archive/data.pkl", "archive/data/0"), /PyTorch checkpoint/, /torch\.onnx\.export/],
  [
    "PyTorch's pickle",
    latin1("\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02"),
    /PyTorch checkpoint/,
    /torch\.onnx/,
  ],
  [
    "TorchScript",
    zip("m/data.pkl", "m/code/__torch__/net.py", "m/constants.pkl"),
    /TorchScript/,
    /torch\.jit\.load/,
  ],
  ["a pickle", latin1("\x80\x04\x95\x10\0\0\0\0\0\0\0\x8c\x07sklearn"), /pickle/, /skl2onnx/],
  ["safetensors", latin1('\x40\0\0\0\0\0\0\0{"conv.weight":{"dtype":"F32"'), /safetensors/, /optimum-cli/],
  [
    "a SavedModel",
    latin1("\x08\x01\x12\x90\x10\x0a\x08\x12\x05serve"),
    /SavedModel/,
    /tf2onnx.*--saved-model/,
  ],
  ["a frozen graph", latin1("\x0a\x20\x0a\x05input\x12\x0bPlaceholder*\x0d"), /GraphDef/, /--graphdef/],
  ["Core ML", latin1("\x08\x04\x12\x40\x0a\x10\x0a\x05image\x1a\x07"), /Core ML/, /onnxmltools/],
  ["NCNN", latin1("7767517\n75 83\nInput data 0 1 data\n"), /NCNN/, /ONNX/],
  ["Caffe's text", latin1('name: "net"\nlayer {\n  name: "data"\n  type: "Input"\n}'), /Caffe/, /caffe2onnx/],
  [
    "Caffe's weights",
    latin1("\x0a\x03net\xa2\x06\x30\x0a\x05conv1\x12\x0bConvolution"),
    /Caffe/,
    /caffe2onnx/,
  ],
  [
    "OpenVINO",
    latin1('<?xml version="1.0"?>\n<net name="net" version="11">'),
    /OpenVINO/,
    /openvino2tensorflow/,
  ],
  ["GGUF", latin1("GGUF\x03\0\0\0"), /GGUF/, /not for this tool/],
  ["ORT", latin1("\x20\0\0\0ORTM\0\0"), /\.ort/, /\.onnx/],
  ["ExecuTorch", latin1("\x20\0\0\0ET12\0\0"), /ExecuTorch/, /ONNX/],
  ["MediaPipe", zip("face_detector.tflite"), /MediaPipe/, /unzip/],
  ["NumPy", zip("arr_0.npy"), /NumPy/, /ONNX/],
  ["Darknet", latin1("[net]\nbatch=64\n"), /Darknet/, /ONNX/],
];

describe("a file that is not read here", () => {
  it.each(files)("%s is named, with the way out", async (_what, bytes, name, way) => {
    const refusal = await loadModel(bytes).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(GenieError);
    const { code, message } = refusal as GenieError;
    expect(code).toBe("malformed-file");
    expect(message).toMatch(name);
    expect(message).toMatch(way);
    expect(message).not.toContain("\n");
  });

  it("whose bytes say nothing is told by its name", () => {
    expect(nameFile(new Uint8Array(64), "squeezenet.bin")).toMatch(/weights without their network/);
    expect(nameFile(new Uint8Array(64), "net.caffemodel")).toMatch(/Caffe/);
    expect(nameFile(new Uint8Array(64), "net.xyz")).toBeUndefined();
  });

  it("keeps the reader's own complaint where nobody knows it", async () => {
    await expect(loadModel(new Uint8Array(64))).rejects.toThrow(/not a readable ONNX file/);
  });

  it("a damaged ONNX file is called one, and not another format", async () => {
    await expect(loadModel(latin1("\x08\x07\x12\x07pytorch\x1a\x051.9.0"))).rejects.toThrow(/ONNX file/);
  });
});

it.each<[names: string[], name: RegExp]>([
  [["saved_model.pb", "variables", "assets"], /SavedModel.*--saved-model/],
  [["Manifest.json", "Data"], /Core ML/],
  [["config.json", "model.safetensors"], /safetensors/],
  [["config.json", "pytorch_model.bin"], /PyTorch/],
  [["net.param", "net.bin"], /NCNN/],
  [["net.xml", "net.bin"], /OpenVINO/],
])("a folder with %j is named", (names, name) => {
  expect(nameFolder("model", names)).toMatch(name);
});

it("a folder of pictures is nothing in particular", () => {
  expect(nameFolder("pictures", ["a.png", "b.png"])).toBeUndefined();
});
