/** Keras's own files: `.h5` of Keras 2 and 3, `.keras`; fixtures/generate.py made them. */
import { readFileSync } from "node:fs";
import { loadLayersModel } from "@tensorflow/tfjs-layers";
import fc from "fast-check";
import { zipSync } from "fflate";
import { describe, expect, it } from "vitest";
import { GenieError } from "../../../src/errors.ts";
import { loadModel } from "../../../src/session/load.ts";
import { numbers } from "../onnx/models.ts";
import { expectSame, load, outputsOf, predict } from "../tfjs/tfjsModels.ts";

const fixture = (name: string) => readFileSync(new URL(`fixtures/${name}`, import.meta.url));
const FILES = ["keras2.h5", "keras3.h5", "keras3.keras"];
const NESTED = ["nested2.h5", "nested3.h5", "nested3.keras"];
const tiny = JSON.parse(fixture("tiny.json").toString());
const nested = JSON.parse(fixture("nested.json").toString());
const weights = Float32Array.from(tiny.weights);

/** The TFJS form of a network, as tfjs-layers runs it. */
const withTfjs = ({ modelTopology, weightsManifest, weights }: typeof tiny) =>
  loadLayersModel({
    load: async () => ({
      modelTopology,
      weightSpecs: weightsManifest[0].weights,
      weightData: Float32Array.from(weights).buffer,
    }),
  });

describe("files of Keras", () => {
  it.each(FILES)("%s computes what tfjs-layers does with the same weights", async (name) => {
    const reference = await withTfjs(tiny);
    const graph = await loadModel(fixture(name));
    expect(graph.nodes[0]!.op).toBe("conv2d");
    expect(graph.nodes.filter(({ op }) => op === "batchNorm")).toHaveLength(1);
    expectSame(outputsOf(graph), predict(reference));
  });

  it.each(NESTED)("%s, a model in a model in a model, likewise", async (name) => {
    const graph = await loadModel(fixture(name));
    expect(graph.nodes.map(({ op }) => op)).toEqual([
      "conv2d",
      "conv2d",
      "conv2d",
      "batchNorm",
      "reshape",
      "dense",
    ]);
    expectSame(outputsOf(graph), predict(await withTfjs(nested)));
  });

  it.each([
    ["2.11.0", 1 / 5],
    ["3.3.3", 1 / 6],
  ])("hard_sigmoid of Keras %s has the slope %f", async (version, slope) => {
    const layers = [
      { class_name: "InputLayer", config: { name: "x", batch_input_shape: [null, 5, 4, 3] } },
      { class_name: "Rescaling", config: { name: "wide", scale: 8, offset: 0 } },
      { class_name: "Activation", config: { name: "gate", activation: "hard_sigmoid" } },
    ];
    const model_config = { class_name: "Sequential", config: { name: "one", layers } };
    const modelTopology = { keras_version: version, model_config };
    const graph = await load({ json: { modelTopology, weightsManifest: [] }, shards: {} });
    const x = numbers(60, 3);
    const expected = x.map((value) => Math.min(1, Math.max(0, 8 * value * slope + 0.5)));
    expect(expected.some((value) => value === 0) && expected.some((value) => value === 1)).toBe(true);
    expectSame(outputsOf(graph), [expected], 1e-6);
  });

  it("TFJS weights of 8 and 16 bits", async () => {
    const [spec] = tiny.weightsManifest[0].weights;
    const shrunk = structuredClone(tiny);
    const count = spec.shape.reduce((a: number, b: number) => a * b, 1);
    shrunk.weightsManifest[0].weights[0].quantization = { dtype: "uint8", scale: 0.01, min: -1 };
    const integers = Uint8Array.from({ length: count }, (_, i) => (i * 37) % 201);
    const rest = new Uint8Array(weights.buffer, 4 * count);
    const graph = await load({
      json: shrunk,
      shards: { "weights.bin": Uint8Array.of(...integers, ...rest) },
    });
    const kernel = graph.constants.get("conv2d_1/kernel")!.data;
    expect(kernel).toEqual(Float32Array.from(integers, (q) => q * 0.01 - 1));
    shrunk.weightsManifest[0].weights[0].quantization = { dtype: "float16" };
    const halves = new Uint8Array(new Uint16Array(count).fill(0x3555).buffer);
    const half = await load({ json: shrunk, shards: { "weights.bin": Uint8Array.of(...halves, ...rest) } });
    expect(half.constants.get("conv2d_1/kernel")!.data[5]).toBeCloseTo(1 / 3, 3);
  });
});

/** Changes one layer's config in the TFJS form of the network. */
function changed(layer: number, change: Record<string, unknown>, top: Record<string, unknown> = {}) {
  const json = structuredClone(tiny);
  Object.assign(json.modelTopology.model_config.config.layers[layer].config, change);
  Object.assign(json.modelTopology.model_config.config.layers[layer], top);
  return load({ json, shards: { "weights.bin": new Uint8Array(weights.buffer) } });
}

describe("what is refused", () => {
  it.each<[string, () => Promise<unknown>, string, RegExp]>([
    [
      "an unknown layer",
      () => changed(3, {}, { class_name: "Unheard" }),
      "unsupported-operator",
      /"re_lu_1" is of class Unheard.*these are: InputLayer, Conv1D, Conv2D/,
    ],
    [
      "a recurrent layer",
      () => changed(3, {}, { class_name: "LSTM" }),
      "unsupported-operator",
      /"re_lu_1" is a recurrent layer \(LSTM\)/,
    ],
    [
      "channels first",
      () => changed(1, { data_format: "channels_first" }),
      "unsupported-operator",
      /"conv2d_1".*channels_first/,
    ],
    [
      "an unknown activation",
      () => changed(1, { activation: "erf" }),
      "unsupported-operator",
      /"conv2d_1".*"erf".*relu/,
    ],
    ["a cycle", () => changed(1, {}, { inbound_nodes: [[["dense_1", 0, 0, {}]]] }), "invalid-model", /cycle/],
    [
      "a layer that is not there",
      () => changed(1, {}, { inbound_nodes: [[["lost", 0, 0, {}]]] }),
      "invalid-model",
      /"lost"/,
    ],
    [
      "an open input",
      () => changed(0, { batch_input_shape: [null, null, null, 2] }),
      "dynamic-shape",
      /\[\?, \?, \?, 2\]/,
    ],
    [
      "a name that steers a terminal",
      () => changed(1, { activation: "\u001b[2J" }),
      "malformed-file",
      /control/,
    ],
    [
      "short weights",
      () => load({ json: tiny, shards: { "weights.bin": new Uint8Array(100) } }),
      "malformed-file",
      /conv2d_1\/kernel/,
    ],
    [
      "a shard elsewhere",
      () => load({ json: { ...tiny, weightsManifest: [{ paths: ["../secret"], weights: [] }] }, shards: {} }),
      "malformed-file",
      /secret/,
    ],
    [
      "a shard on another host",
      () =>
        load({
          json: { ...tiny, weightsManifest: [{ paths: ["https://a.example/b"], weights: [] }] },
          shards: {},
        }),
      "malformed-file",
      /not in its folder/,
    ],
    [
      "a graph model without nodes",
      () => load({ json: { format: "graph-model", modelTopology: {} }, shards: {} }),
      "malformed-file",
      /no list of nodes/,
    ],
    [
      "models that are used often in models that are used often",
      () => {
        const input = {
          class_name: "InputLayer",
          name: "x",
          config: { name: "x", batch_input_shape: [null, 3] },
        };
        const calls = Array.from({ length: 1000 }, () => [["x", 0, 0, {}]]);
        const ends = { name: "m", input_layers: [["x", 0, 0]], output_layers: [["x", 0, 0]] };
        const around = (layers: object[]) => ({
          class_name: "Model",
          name: "m",
          config: { ...ends, layers: [input, ...layers] },
        });
        let inner: object = around([]);
        for (let depth = 0; depth < 4; depth++) inner = around([{ ...inner, inbound_nodes: calls }]);
        return load({ json: { modelTopology: inner, weightsManifest: [] }, shards: {} });
      },
      "limit-exceeded",
      /more than 65536 nodes/,
    ],
    [
      "a use of a layer that there is not",
      () => {
        const json = structuredClone(tiny);
        const { layers } = json.modelTopology.model_config.config;
        layers[1].inbound_nodes = [[["input_2", 0, 0, {}]], [["input_2", 0, 0, {}]]];
        layers[2].inbound_nodes = [[["conv2d_1", 7, 0, {}]]];
        return load({ json, shards: { "weights.bin": new Uint8Array(weights.buffer) } });
      },
      "malformed-file",
      /use 7 of layer "conv2d_1"/,
    ],
    [
      "deep JSON",
      () => loadModel(new TextEncoder().encode(`{"modelTopology":${"[".repeat(5000)}${"]".repeat(5000)}}`)),
      "malformed-file",
      /nests/,
    ],
    [
      "another zip",
      async () => loadModel(zipSync({ "data.pkl": new Uint8Array(9) })),
      "malformed-file",
      /\.keras/,
    ],
  ])("%s", async (_name, work, code, message) => {
    const error = await work().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(GenieError);
    expect((error as GenieError).message).toMatch(message);
    expect((error as GenieError).code).toBe(code);
  });

  it("an open input takes the size that is given", async () => {
    const json = structuredClone(tiny);
    json.modelTopology.model_config.config.layers[0].config.batch_input_shape = [null, null, null, 2];
    const graph = await load(
      { json, shards: { "weights.bin": new Uint8Array(weights.buffer) } },
      [1, 5, 6, 2],
    );
    expect(graph.inputs[0]!.shape).toEqual([-1, 5, 6, 2]);
  });
});

async function readOrRefuse(bytes: Uint8Array): Promise<void> {
  const started = performance.now();
  try {
    await loadModel(bytes);
  } catch (error) {
    if (!(error instanceof GenieError)) throw error;
    expect(error.message).not.toContain("\n");
  }
  expect(performance.now() - started).toBeLessThan(5000);
}

describe("damage", () => {
  it.each([...FILES, "nested3.h5"])("%s cut short or with bytes changed is read or refused", async (name) => {
    const bytes = fixture(name);
    const position = fc.nat(bytes.length - 1);
    const changes = fc.array(fc.tuple(position, fc.nat(255)), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(changes, position, fc.boolean(), async (list, length, isCut) => {
        const damaged = new Uint8Array(bytes);
        for (const [at, value] of list) damaged[at] = value;
        await readOrRefuse(isCut ? damaged.subarray(0, length) : damaged);
      }),
      { numRuns: 150, seed: 1 },
    );
  });
});
