/** Networks of one layer, written as Keras writes them. */
import type { Graph } from "../../../src/ir/graph.ts";
import { load } from "../tfjs/tfjsModels.ts";

export interface OneLayerOptions {
  /** Of the input, without the batch. */
  shape?: number[];
  /** The layer's weights by name. */
  weights?: Record<string, { shape: number[]; data: Float32Array }>;
  kerasVersion?: string;
}

/** A Sequential model of the layer "only" alone. */
export function oneLayer(
  class_name: string,
  config: Record<string, unknown>,
  { shape = [5, 4, 3], weights = {}, kerasVersion = "2.15.0" }: OneLayerOptions = {},
): Promise<Graph> {
  const layers = [
    { class_name: "InputLayer", config: { name: "x", batch_input_shape: [null, ...shape] } },
    { class_name, config: { name: "only", ...config } },
  ];
  const model_config = { class_name: "Sequential", config: { name: "one", layers } };
  const entries = Object.entries(weights);
  const specs = entries.map(([name, { shape }]) => ({ name: `only/${name}`, shape, dtype: "float32" }));
  const values = Float32Array.from(entries.flatMap(([, { data }]) => [...data]));
  return load({
    json: {
      modelTopology: { keras_version: kerasVersion, model_config },
      weightsManifest: [{ paths: ["weights.bin"], weights: specs }],
    },
    shards: { "weights.bin": new Uint8Array(values.buffer) },
  });
}
