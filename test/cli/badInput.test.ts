import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeNpy } from "../../src/formats/npy.ts";
import {
  dynamicModel,
  fashionImages,
  fashionLabels,
  fashionModel,
  foldedModel,
  nanModel,
  plainModel,
  unsupportedModel,
} from "./models.ts";
import { run } from "./spawn.ts";

let folder: string;
let files: string[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "genie-bad-"));
  const model = await fashionModel();
  const contents: Record<string, Uint8Array> = {
    "good.onnx": model,
    "text.onnx": new TextEncoder().encode("this is not a model, it is a letter\n".repeat(20)),
    "empty.onnx": new Uint8Array(0),
    "truncated.onnx": model.subarray(0, model.length / 2),
    "unsupported.onnx": await unsupportedModel(),
    "plain.onnx": plainModel(),
    "folded.onnx": await foldedModel(),
    "dynamic.onnx": await dynamicModel(),
    "nan.onnx": await nanModel(),
    "images.npy": await fashionImages(),
    "labels.npy": await fashionLabels(),
    "truncated.npy": (await fashionImages()).subarray(0, 1000),
    "nchw.npy": writeNpy({ shape: [2, 1, 28, 28], data: new Float32Array(2 * 784) }),
    "flat.npy": writeNpy({ shape: [2, 28, 28], data: new Uint8Array(2 * 784) }),
    "large.npy": writeNpy({ shape: [2, 32, 32, 1], data: new Uint8Array(2 * 1024) }),
    "nan.npy": writeNpy({ shape: [1, 28, 28, 1], data: new Float32Array(784).fill(Number.NaN) }),
    "labels10.npy": writeNpy({ shape: [1000], data: new BigInt64Array(1000).fill(10n) }),
    "labels3.npy": writeNpy({ shape: [3], data: Int32Array.of(1, 2, 3) }),
    "floatLabels.npy": writeNpy({ shape: [1000], data: new Float32Array(1000) }),
  };
  for (const [name, bytes] of Object.entries(contents)) await writeFile(join(folder, name), bytes);
  files = (await readdir(folder)).sort();
});

afterAll(() => rm(folder, { recursive: true }));

const quick = ["--images", "4", "--batch-size", "4", "--synthesis-iterations", "1", "--iterations", "1"];
const quantize = (model: string, ...more: string[]) => ["quantize", model, ...quick, ...more];
const data = (name: string, ...more: string[]) => ["quantize", "good.onnx", "--data", name, ...more];
const evaluate = (images: string, labels: string, ...more: string[]) => [
  "evaluate",
  "good.onnx",
  "--images",
  images,
  "--labels",
  labels,
  ...more,
];

/** What is wrong, the command, and what the message must say. */
const TABLE: [string, string[], ...RegExp[]][] = [
  ["a file that is not there", quantize("none.onnx"), /cannot read none\.onnx: there is no such file/],
  ["a file that is not ONNX", quantize("text.onnx"), /text\.onnx: .*ONNX/],
  ["an empty file", quantize("empty.onnx"), /empty\.onnx: /],
  ["a truncated file", quantize("truncated.onnx"), /truncated\.onnx: /],
  ["unsupported operators", quantize("unsupported.onnx"), /first.*Frobnicate/, /second.*Wibble/],
  ["unsupported operators, inspected", ["inspect", "unsupported.onnx"], /Frobnicate/, /Wibble/],
  ["no BatchNorm for GENIE", quantize("plain.onnx", "--mode", "genie"), /BatchNorm/, /--mode prior.*--data/],
  ["no BatchNorm to synthesize from", ["synthesize", "plain.onnx", "--mode", "pixels"], /BatchNorm/],
  ["folded BatchNorm", quantize("folded.onnx", "--mode", "genie"), /BatchNorm/, /fold/],
  ["an unknown mode", quantize("good.onnx", "--mode", "fractal"), /prior/],
  ["an impossible input shape", quantize("dynamic.onnx", "--input-shape", "1,5,28,28"), /dynamic\.onnx/],
  ["NaN weights", quantize("nan.onnx"), /NaN|not finite|finite/],
  ["1 weight bit", quantize("good.onnx", "-w", "1"), /2…8/],
  ["9 activation bits", quantize("good.onnx", "-a", "9"), /2…8/],
  ["half a bit", quantize("good.onnx", "-w", "4.5"), /2…8/],
  ["no images", quantize("good.onnx", "--images", "0"), /--images.*integer/],
  ["an unknown preset", quantize("good.onnx", "--preset", "slow"), /fast, balanced, best/],
  ["an unknown flag", quantize("good.onnx", "--wieght-bits", "4"), /unknown option.*--weight-bits/],
  ["an unknown command", ["quantise", "good.onnx"], /unknown command.*quantize/],
  ["an output in no folder", quantize("good.onnx", "-o", "none/out.onnx"), /cannot write none\/out\.onnx/],
  ["an output that is a folder", quantize("good.onnx", "-o", "."), /cannot write \.: it is a folder/],
  ["an output that is the input", quantize("good.onnx", "-o", "good.onnx"), /same file/],
  ["images and data", ["quantize", "good.onnx", "--images", "4", "--data", "images.npy"], /--images.*--data/],
  ["pixels without data", quantize("good.onnx", "--mean", "0.5"), /--data/],
  ["data that is no .npy", data("good.onnx"), /good\.onnx: not a readable \.npy/],
  ["truncated data", data("truncated.npy"), /truncated\.npy: /],
  ["data in NCHW", data("nchw.npy"), /nchw\.npy: .*\[N, C, H, W\].*transpose/],
  ["data without a channel", data("flat.npy"), /flat\.npy: .*channel/],
  ["data of another size", data("large.npy"), /\[2, 32, 32, 1\].*\[N, 28, 28, 1\]/],
  ["data with NaN", data("nan.npy"), /nan\.npy: .*NaN/],
  ["a mean of too many channels", data("images.npy", "--mean", "1,2,3"), /mean needs 1 /],
  [
    "an input range of one list",
    quantize("good.onnx", "--input-range", "127.5"),
    /--input-range.*127\.5\/64/,
  ],
  ["too many means", quantize("good.onnx", "--input-range", "1,2,3/1"), /--input-range has 3 means.*takes 1/],
  ["a spread of 0", quantize("good.onnx", "--input-range", "1/0"), /--input-range takes .*positive/],
  ["an input range of data", data("images.npy", "--input-range", "1/1"), /--input-range.*--data/],
  ["a std of 0", data("images.npy", "--std", "0"), /std must be positive/],
  ["a scale of 0", data("images.npy", "--scale", "0"), /--scale.*positive/],
  ["a label that is no class", evaluate("images.npy", "labels10.npy"), /label 10 .*10 classes/],
  ["too few labels", evaluate("images.npy", "labels3.npy"), /1000 images.*3 labels/],
  ["labels that are floats", evaluate("images.npy", "floatLabels.npy"), /floatLabels\.npy: .*integers/],
  ["labels that are images", evaluate("images.npy", "images.npy"), /\[N\]/],
  ["images that are labels", evaluate("labels.npy", "labels.npy"), /labels\.npy: .*\[1000\]/],
];

describe("bad input is refused with exit code 2, one line, and nothing written", () => {
  it.each(TABLE)("%s", async (_what, args, ...messages) => {
    const { code, stdout, stderr } = await run(args, folder);
    const [line, ...rest] = stderr.split("\n");
    expect(line).toMatch(/^genie-wasm: /);
    for (const message of messages) expect(line).toMatch(message);
    expect(rest).toEqual([""]);
    expect(stdout).toBe("");
    expect(code).toBe(2);
    expect((await readdir(folder)).sort()).toEqual(files);
  });
});
