/** Keras 3's `.keras` archive: a zip of `config.json` and `model.weights.h5`. */
import { GenieError } from "../../errors.ts";
import type { Graph } from "../../ir/graph.ts";
import { readNumberedWeights } from "./hdf5.ts";
import { type ImportLayersOptions, importLayers } from "./importLayers.ts";

/** Unpacked size that no entry may say it has, 1 GiB. */
const MAX_ENTRY_BYTES = 2 ** 30;

/** Reads a `.keras` file. @throws GenieError as `importLayers`. */
export async function importKerasArchive(
  bytes: Uint8Array,
  options: ImportLayersOptions = {},
): Promise<Graph> {
  const { unzipSync } = await import("fflate");
  const wanted = ["config.json", "model.weights.h5"];
  let entries: Record<string, Uint8Array>;
  try {
    entries = unzipSync(bytes, {
      filter: ({ name, originalSize }) => wanted.includes(name) && originalSize <= MAX_ENTRY_BYTES,
    });
  } catch (error) {
    throw new GenieError("malformed-file", `this zip file cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
  const [config, weights] = wanted.map((name) => {
    const entry = entries[name];
    if (!entry)
      throw new GenieError("malformed-file", `this is no .keras file: it has no ${name}, or too large a one`);
    return entry;
  });
  let model: unknown;
  try {
    model = JSON.parse(new TextDecoder().decode(config));
  } catch (error) {
    throw new GenieError("malformed-file", `config.json is no JSON: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return importLayers(model, await readNumberedWeights(weights!), options);
}
