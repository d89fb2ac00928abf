/** TFJS: a `model.json` holds a Keras model or a graph of TensorFlow's operators. */
import { GenieError } from "../../errors.ts";
import type { Graph } from "../../ir/graph.ts";
import type { Budget } from "../budget.ts";
import type { CompanionReader } from "../companion.ts";
import { parseJson } from "../json.ts";
import { record } from "../keras/topology.ts";

/**
 * @param bytes Of `model.json`.
 * @throws GenieError as `importTfjsLayers` and `importGraphModel`; `unsupported-operator` for JSON of another kind.
 */
export async function importTfjs(
  bytes: Uint8Array,
  readShard: CompanionReader,
  options: { inputShape?: number[] | undefined; budget?: Budget | undefined } = {},
): Promise<Graph> {
  const file = record(parseJson(bytes, "model.json"), "model.json");
  if (!file.modelTopology) {
    throw new GenieError("unsupported-operator", "this is a TFJS file without modelTopology, or other JSON");
  }
  const topology = record(file.modelTopology, "modelTopology");
  if (file.format === "graph-model" || Array.isArray(topology.node)) {
    const { importGraphModel } = await import("./importGraphModel.ts");
    return importGraphModel(file, readShard, options);
  }
  const { importTfjsLayers } = await import("./importTfjsLayers.ts");
  return importTfjsLayers(file, readShard, options);
}
