/** What the readers of TensorFlow's formats are held against: tfjs's executor of graph models, and files as people have them. */
import "@tensorflow/tfjs-backend-cpu";
import { existsSync, readFileSync } from "node:fs";
import { loadGraphModel } from "@tensorflow/tfjs-converter";
import * as tf from "@tensorflow/tfjs-core";
import { describe } from "vitest";
import type { Graph } from "../../../src/ir/graph.ts";
import { loadModel } from "../../../src/session/load.ts";
import { numbers } from "../onnx/models.ts";

await tf.setBackend("cpu");

const WILD = new URL("../../../../shared/wild/", import.meta.url);

/** Tests of files in the folder of wild ones, where it is present. */
export const describeWild = describe.skipIf(!existsSync(WILD));

export function wildBytes(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(name, WILD)));
}

export function loadWild(name: string, onNote?: (note: string) => void): Promise<Graph> {
  const folder = new URL(name, WILD);
  const readShard = async (path: string) => new Uint8Array(readFileSync(new URL(path, folder)));
  return loadModel(wildBytes(name), { readShard, onNote });
}

/** The outputs of a graph model for one image of the shape [1, …] and seeded values, by the outputs' names. */
export async function runGraphModel(
  json: Record<string, unknown>,
  weights: Uint8Array,
  shape: number[],
  data: Float32Array,
): Promise<Map<string, Float32Array>> {
  const { modelTopology, weightsManifest, signature, userDefinedMetadata } = json as {
    modelTopology: object;
    weightsManifest: { weights: tf.io.WeightsManifestEntry[] }[];
    signature?: object;
    userDefinedMetadata?: { signature: object };
  };
  const model = await loadGraphModel({
    load: async () => ({
      modelTopology,
      weightSpecs: weightsManifest.flatMap(({ weights: entries }) => entries),
      weightData: weights.slice().buffer,
      format: "graph-model",
      ...((signature ?? userDefinedMetadata?.signature) && {
        signature: signature ?? userDefinedMetadata!.signature,
      }),
    }),
  });
  const names = model.outputNodes;
  const results = [model.execute(tf.tensor(data, shape), names)].flat();
  return new Map(names.map((name, i) => [name, results[i]!.dataSync() as Float32Array]));
}

export function seeded(shape: readonly number[], seed = 3): Float32Array {
  return Float32Array.from(
    numbers(
      shape.reduce((product, size) => product * Math.abs(size), 1),
      seed,
    ),
  );
}

/** Largest |actual − expected| over the largest |expected|. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [largest, worst] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]!));
    const error = Math.abs(expected[i]! - actual[i]!);
    worst = Number.isNaN(error) ? Number.POSITIVE_INFINITY : Math.max(worst, error);
  }
  return actual.length === expected.length && largest > 0 ? worst / largest : Number.POSITIVE_INFINITY;
}
