/** `quantize --format tfjs`: from a file to a folder that tfjs-layers loads. */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadLayersModel } from "@tensorflow/tfjs-layers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readModel } from "../../src/cli/input.ts";
import { exportOnnx } from "../../src/formats/onnx/export.ts";
import { exportLayers } from "../../src/formats/tfjs/export.ts";
import { expectSame, outputsOf, predict } from "../formats/tfjs/tfjsModels.ts";
import { GraphBuilder } from "../ir/builders.ts";
import { fashionModel } from "./models.ts";
import { run } from "./spawn.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "genie-tfjs-"));
  await writeFile(join(folder, "fashion.onnx"), await fashionModel());
});

afterEach(() => rm(folder, { recursive: true }));

const tiny = ["--images", "6", "--batch-size", "4", "--synthesis-iterations", "2", "--iterations", "2"];
const quantize = (...args: string[]) =>
  run(["quantize", "fashion.onnx", ...tiny, "--format", "tfjs", ...args], folder);

async function loadWithTfjs(path: string) {
  const json = JSON.parse(await readFile(join(path, "model.json"), "utf8"));
  const weights = await readFile(join(path, json.weightsManifest[0].paths[0]));
  const artifacts = {
    modelTopology: json.modelTopology,
    weightSpecs: json.weightsManifest[0].weights,
    weightData: new Uint8Array(weights).buffer,
  };
  return loadLayersModel({ load: async () => artifacts });
}

describe("quantize --format tfjs", () => {
  it("writes a folder that tfjs-layers and evaluate load, from an ONNX model", async () => {
    const { code, stdout } = await quantize("-w", "3", "--json");
    expect(code).toBe(0);
    const result = JSON.parse(stdout.trimEnd().split("\n").at(-1)!);
    expect(result).toMatchObject({ output: "fashion.w3a4", format: "tfjs", weightBits: 3 });
    expect((await readdir(folder)).sort()).toEqual(["fashion.onnx", "fashion.w3a4"]);
    const path = join(folder, "fashion.w3a4");
    const files = await Promise.all(["model.json", "weights.bin"].map((name) => readFile(join(path, name))));
    expect(files[0]!.length + files[1]!.length).toBe(result.bytes);

    const graph = await readModel(path);
    expectSame(predict(await loadWithTfjs(path)), outputsOf(graph));
    // The first and the last layer have 8 bits, those between them at most 2³ values a channel.
    const filters = graph.nodes
      .filter(({ op }) => op === "conv2d")
      .slice(1)
      .map(({ inputs }) => graph.constants.get(inputs[1]!)!);
    expect(filters.length).toBeGreaterThan(3);
    for (const { shape, data } of filters) {
      const channels = shape[3]!;
      for (let channel = 0; channel < channels; channel++) {
        const values = new Set(data.filter((_, i) => i % channels === channel));
        expect(values.size).toBeLessThanOrEqual(8);
      }
    }
  });

  it("writes the same folder again, and refuses others, files and the input's own folder", async () => {
    expect((await quantize("-o", "out/", "-q")).code).toBe(0);
    expect((await quantize("-o", "out", "-q")).code).toBe(0);
    expect((await readdir(folder)).sort()).toEqual(["fashion.onnx", "out"]);
    await mkdir(join(folder, "mine"));
    await writeFile(join(folder, "mine", "thesis.txt"), "x");
    expect((await quantize("-o", "mine")).stderr).toMatch(/cannot write mine: .*thesis\.txt/);
    expect((await quantize("-o", "fashion.onnx")).stderr).toMatch(/--format tfjs writes a folder/);
    expect((await quantize("-o", ".")).stderr).toMatch(/holds the input fashion\.onnx/);
    const onnx = await run(["quantize", "fashion.onnx", ...tiny, "-o", "new/"], folder);
    expect(onnx.stderr).toMatch(/cannot write new\/: it is a folder/);
  });

  it("names the node that Keras has no layer for, before any work", async () => {
    const builder = new GraphBuilder([-1, 8, 8, 4]);
    const conv = builder.conv("grouped", "input", 4, { groups: 2 });
    builder.outputs(builder.norm("norm", conv));
    await writeFile(join(folder, "grouped.onnx"), exportOnnx(builder.graph));
    const { code, stderr } = await run(["quantize", "grouped.onnx", "--format", "tfjs"], folder);
    expect(code).toBe(2);
    expect(stderr).toMatch(/cannot export to TFJS Layers: node "grouped" has 2 groups/);
    expect(stderr.split("\n")).toHaveLength(2);
    expect((await readdir(folder)).sort()).toEqual(["fashion.onnx", "grouped.onnx"]);
  });
});

const ZOO = fileURLToPath(new URL("../../../shared/zoo/", import.meta.url));
const MODELS = [
  "cifar10-resnet20.onnx",
  "imagenet-mobilenet-v1-0.75-224",
  "mlperf-tiny-kws-dscnn",
  "mlperf-tiny-resnet8.h5",
];

describe.skipIf(!existsSync(ZOO))("the zoo's models (skipped where ../shared/zoo is missing)", () => {
  it.each(MODELS)("%s can be a TFJS Layers model", async (name) => {
    expect(exportLayers(await readModel(join(ZOO, name))).weights.length).toBeGreaterThan(1e4);
  });
});
