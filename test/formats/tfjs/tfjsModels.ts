/** Models of tfjs-layers, the reference for Keras semantics: made, saved, run. */
import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import { type LayersModel, layers, type Sequential, sequential } from "@tensorflow/tfjs-layers";
import { expect } from "vitest";
import type { CompanionReader } from "../../../src/formats/companion.ts";
import type { Graph } from "../../../src/ir/graph.ts";
import { loadModel } from "../../../src/session/load.ts";
import { evaluate } from "../../ir/evaluate.ts";
import { numbers } from "../onnx/models.ts";

await tf.setBackend("cpu");

type Layer = ReturnType<typeof layers.conv2d>;

/** `model.json` and its shards. */
export interface SavedModel {
  json: Record<string, unknown>;
  shards: Record<string, Uint8Array>;
}

/** Seeded weights of every layer: variances positive, all others in (−1, 1). */
export function fillWeights(model: LayersModel): LayersModel {
  const fill = (layer: Layer, seed: number) => {
    const values = layer.getWeights().map((weight, i) => {
      const drawn = numbers(weight.size, seed * 10 + i + 1);
      const isVariance = layer.getClassName() === "BatchNormalization" && i === layer.getWeights().length - 1;
      return tf.tensor(isVariance ? drawn.map((v) => 0.5 + Math.abs(v)) : drawn, weight.shape);
    });
    layer.setWeights(values);
  };
  model.layers.forEach((layer, i) => {
    if ("layers" in layer) fillWeights(layer as LayersModel);
    else fill(layer as Layer, i + 1);
  });
  return model;
}

export async function save(model: LayersModel): Promise<SavedModel> {
  const saved: SavedModel = { json: {}, shards: {} };
  await model.save(
    tf.io.withSaveHandler(async ({ modelTopology, weightSpecs, weightData }) => {
      saved.json = {
        format: "layers-model",
        modelTopology,
        weightsManifest: [{ paths: ["weights.bin"], weights: weightSpecs }],
      };
      saved.shards["weights.bin"] = new Uint8Array(weightData as ArrayBuffer);
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: "JSON" } };
    }),
  );
  return saved;
}

export function bytesOf(json: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(json));
}

export function readerOf(shards: SavedModel["shards"]): CompanionReader {
  return async (path) => {
    const shard = shards[path];
    if (!shard) throw new Error(`there is no shard ${path}`);
    return shard;
  };
}

export function load({ json, shards }: SavedModel, inputShape?: number[]): Promise<Graph> {
  return loadModel(bytesOf(json), { inputShape, readShard: readerOf(shards) });
}

/** The model's outputs for one seeded image, from tfjs-layers. */
export function predict(model: LayersModel, seed = 3): Float32Array[] {
  const inputs = model.inputs.map(({ shape }, i) => {
    const size = shape.slice(1) as number[];
    return tf.tensor(
      numbers(
        size.reduce((a, b) => a * b, 1),
        seed + i,
      ),
      [1, ...size],
    );
  });
  const outputs = model.predict(inputs);
  return [outputs].flat().map((output) => (output as tf.Tensor).dataSync() as Float32Array);
}

/** The graph's outputs for the same image, in float64 by plain loops. */
export function outputsOf(graph: Graph, seed = 3): Float64Array[] {
  const feeds = graph.inputs.map(({ name, shape }, i) => [
    name,
    numbers(
      shape.slice(1).reduce((a, b) => a * b, 1),
      seed + i,
    ),
  ]);
  const values = evaluate(graph, Object.fromEntries(feeds));
  return graph.outputs.map((name) => values.get(name)!);
}

/** |actual − expected| ≤ tolerance · largest |expected|, and the expected is no plain zero. */
export function expectSame(
  actual: ArrayLike<number>[],
  expected: ArrayLike<number>[],
  tolerance = 1e-5,
): void {
  expect(actual.map(({ length }) => length)).toEqual(expected.map(({ length }) => length));
  expected.forEach((values, output) => {
    let [largest, worst] = [0, 0];
    for (let i = 0; i < values.length; i++) {
      largest = Math.max(largest, Math.abs(values[i]!));
      const error = Math.abs(values[i]! - actual[output]![i]!);
      worst = Number.isNaN(error) ? Number.POSITIVE_INFINITY : Math.max(worst, error);
    }
    expect(largest).toBeGreaterThan(0);
    expect(worst).toBeLessThanOrEqual(tolerance * largest);
  });
}

/** The model, its weights filled, saved and loaded by us computes what tfjs-layers does. @returns its graph. */
export async function expectLikeTfjs(reference: LayersModel): Promise<Graph> {
  fillWeights(reference);
  const graph = await load(await save(reference));
  expectSame(outputsOf(graph), predict(reference));
  return graph;
}

/** One layer behind the other, on an input of this shape without the batch. */
export function chain(inputShape: number[], ...rest: Parameters<Sequential["add"]>[0][]): Sequential {
  const out = sequential();
  out.add(layers.inputLayer({ inputShape }));
  for (const layer of rest) out.add(layer);
  return out;
}
