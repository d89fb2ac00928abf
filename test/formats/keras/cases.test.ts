/** Files that were read wrongly once: their right values are those of tfjs-layers. */
import { existsSync, readFileSync } from "node:fs";
import { loadLayersModel } from "@tensorflow/tfjs-layers";
import { describe, expect, it } from "vitest";
import { loadModel } from "../../../src/session/load.ts";
import { expectSame, outputsOf, predict } from "../tfjs/tfjsModels.ts";

const CASES = new URL("../../../../shared/cases/", import.meta.url);
const WILD = new URL("../../../../shared/wild/", import.meta.url);
const read = (name: string, folder = CASES) => readFileSync(new URL(name, folder));

describe.skipIf(!existsSync(CASES))("Keras files (skipped where ../shared/cases is missing)", () => {
  it("Flatten(data_format=channels_first) moves the axis behind the batch to the end", async () => {
    const folder = new URL("keras-flatten-channels-first/", CASES);
    const json = JSON.parse(read("model.json", folder).toString());
    const weights = read("group1-shard1of1.bin", folder);
    const reference = await loadLayersModel({
      load: async () => ({
        modelTopology: json.modelTopology,
        weightSpecs: json.weightsManifest[0].weights,
        weightData: new Uint8Array(weights).buffer,
      }),
    });
    const wanted = predict(reference);
    const tfjs = await loadModel(read("model.json", folder), {
      readShard: async (name) => read(name, folder),
    });
    expectSame(outputsOf(tfjs), wanted);
    expectSame(outputsOf(await loadModel(read("keras-flatten-channels-first.plain.h5"))), wanted);
  });

  it("layers with slashes in their names have their weights", async () => {
    const graph = await loadModel(read("keras-names.plain.h5"));
    expect(graph.nodes.map(({ name }) => name)).toContain("block1/conv");
    expect(graph.nodes.filter(({ op }) => op === "batchNorm")).toHaveLength(2);
  });
});

describe.skipIf(!existsSync(WILD))("files that people have (skipped where ../shared/wild is missing)", () => {
  it.each([
    ["cancer.keras", ["dense", "dense", "dense"]],
    ["eye_gender.keras", ["conv2d", "conv2d", "conv2d", "dense", "dense"]],
  ])("%s, of Keras 2.13 or 3", async (name, layers) => {
    const graph = await loadModel(read(name, WILD));
    const ops = graph.nodes.map(({ op }) => op).filter((op) => op === "conv2d" || op === "dense");
    expect(ops).toEqual(layers);
  });

  it("a nested model's input says the shape that the outer one leaves out", async () => {
    const folder = new URL("tfjs_tm_rootfacts/", WILD);
    const graph = await loadModel(read("model.json", folder), {
      readShard: async (name) => read(name, folder),
    });
    expect(graph.inputs[0]!.shape).toEqual([-1, 224, 224, 3]);
  });
});

describe("a Lambda layer", () => {
  it("is refused by its name, with its code of several lines", async () => {
    const layers = [
      { class_name: "InputLayer", config: { name: "x", batch_input_shape: [null, 4] } },
      { class_name: "Lambda", config: { name: "scale", function: ["4wEA\nAAA=\n", null, null] } },
    ];
    const json = {
      modelTopology: { class_name: "Sequential", config: { name: "one", layers } },
      weightsManifest: [],
    };
    const bytes = new TextEncoder().encode(JSON.stringify(json));
    await expect(loadModel(bytes)).rejects.toMatchObject({
      code: "unsupported-operator",
      message: expect.stringMatching(/layer "scale" is a Lambda, .*code/),
    });
  });
});
