/** Keras 3's `.keras` archive: a zip of `config.json` and `model.weights.h5`. */
import { GenieError } from "../../errors.ts";
import type { Graph } from "../../ir/graph.ts";
import { Budget } from "../budget.ts";
import { parseJson } from "../json.ts";
import { unzip } from "../zip.ts";
import { readNumberedWeights } from "./hdf5.ts";
import { type ImportLayersOptions, importLayers } from "./importLayers.ts";
import { record } from "./topology.ts";

const ENTRIES = ["config.json", "model.weights.h5", "metadata.json"];

/** Reads a `.keras` file. @throws GenieError as `importLayers`, and as `unzip`. */
export async function importKerasArchive(
  bytes: Uint8Array,
  options: ImportLayersOptions = {},
): Promise<Graph> {
  const { budget = new Budget() } = options;
  const entries = await unzip(bytes, ENTRIES, budget);
  const [config, weights, metadata] = ENTRIES.map((name) => entries.get(name));
  if (!config || !weights) {
    throw new GenieError(
      "malformed-file",
      "this zip archive is no .keras file (it has no config.json and model.weights.h5); " +
        "PyTorch's .pth is to be exported to ONNX",
    );
  }
  const model = parseJson(config, "config.json");
  const about = metadata && record(parseJson(metadata, "metadata.json"), "metadata.json");
  return importLayers(model, await readNumberedWeights(weights, model, budget), {
    ...options,
    budget,
    kerasVersion: about?.keras_version,
  });
}
