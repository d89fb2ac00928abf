/** TFJS Layers: `model.json` with the topology of a Keras model. */
import type { Graph } from "../../ir/graph.ts";
import { Budget } from "../budget.ts";
import type { CompanionReader } from "../companion.ts";
import { type ImportLayersOptions, importLayers } from "../keras/importLayers.ts";
import { type Config, record } from "../keras/topology.ts";
import type { LayerWeight, WeightSource } from "../keras/weights.ts";
import { type ManifestWeight, readManifest } from "./manifest.ts";

/**
 * Reads a TFJS Layers model.
 *
 * @param file What `model.json` holds.
 * @throws GenieError as `importLayers`.
 */
export async function importTfjsLayers(
  file: Config,
  readShard: CompanionReader,
  options: ImportLayersOptions = {},
): Promise<Graph> {
  const { budget = new Budget() } = options;
  const topology = record(file.modelTopology, "modelTopology");
  const weights = byLayer(await readManifest(file.weightsManifest, readShard, budget));
  // Weights are called by the layer's own name, also in nested models.
  const weightsOf: WeightSource = ({ path }) => weights.get(path.at(-1)!) ?? [];
  return importLayers(topology.model_config ?? topology, weightsOf, {
    ...options,
    kerasVersion: topology.keras_version,
  });
}

/** "block/conv/kernel" is the kernel of layer "block/conv". */
function byLayer(weights: readonly ManifestWeight[]): Map<string, LayerWeight[]> {
  const layers = new Map<string, LayerWeight[]>();
  for (const { name, shape, data } of weights) {
    const slash = name.lastIndexOf("/");
    const layer = name.slice(0, Math.max(slash, 0));
    const own = layers.get(layer) ?? [];
    own.push({ name: name.slice(slash + 1), shape, data });
    layers.set(layer, own);
  }
  return layers;
}
