/** Keras 3's `.keras` archive: a zip of `config.json` and `model.weights.h5`. */
import { GenieError } from "../../errors.ts";
import type { Graph } from "../../ir/graph.ts";
import { parseJson } from "../json.ts";
import { readNumberedWeights } from "./hdf5.ts";
import { type ImportLayersOptions, importLayers } from "./importLayers.ts";
import { record } from "./topology.ts";

/** Deflate cannot make more of a byte: an entry that says so is a trap. */
const MAX_EXPANSION = 1032;

/** Reads a `.keras` file. @throws GenieError as `importLayers`. */
export async function importKerasArchive(
  bytes: Uint8Array,
  options: ImportLayersOptions = {},
): Promise<Graph> {
  const { unzipSync } = await import("fflate");
  const wanted = ["config.json", "model.weights.h5", "metadata.json"];
  let entries: Record<string, Uint8Array>;
  try {
    entries = unzipSync(bytes, {
      filter: ({ name, size, originalSize }) =>
        wanted.includes(name) && originalSize <= MAX_EXPANSION * (size + 1),
    });
  } catch (error) {
    throw new GenieError("malformed-file", "this zip archive cannot be read: truncated or damaged", {
      cause: error,
    });
  }
  const [config, weights, metadata] = wanted.map((name) => entries[name]);
  if (!config || !weights) {
    throw new GenieError(
      "malformed-file",
      "this zip archive is no .keras file (it has no config.json and model.weights.h5); " +
        "PyTorch's .pth is to be exported to ONNX",
    );
  }
  const model = parseJson(config, "config.json");
  const about = metadata && record(parseJson(metadata, "metadata.json"), "metadata.json");
  return importLayers(model, await readNumberedWeights(weights, model), {
    ...options,
    kerasVersion: about?.keras_version,
  });
}
