/** From a model file to a validated Graph: the format is told by the first bytes. */
import { GenieError } from "../errors.ts";
import { Budget, type Limits } from "../formats/budget.ts";
import { type CompanionReader, companions } from "../formats/companion.ts";
import { holdsMagic } from "../formats/magic.ts";
import { readUrl, readUrlBeside } from "../formats/readUrl.ts";
import { fuseActivations } from "../ir/fuse.ts";
import type { Graph } from "../ir/graph.ts";
import { explainTail } from "../ir/tail.ts";
import { readWithSize } from "./openShape.ts";

export interface LoadOptions {
  /**
   * The input's shape where the file leaves it open, in the file's own layout: ONNX [N, C, H, W], Keras [N, H, W, C]; −1
   * for what the file says or nobody knows. Default: a usual size that fits the network, which `onNote` hears of.
   */
  inputShape?: number[] | undefined;
  /** Called with what a person should know of the file. */
  onNote?: ((note: string) => void) | undefined;
  /**
   * Bytes of a file that a TFJS `model.json` or ONNX external data names by its path from the model's folder, never out
   * of it; default: beside the model, where `source` is a URL.
   */
  readShard?: CompanionReader | undefined;
  /** What reading may cost at most, where the defaults (docs/limits.md) are too small for a model that is trusted. */
  limits?: Partial<Limits> | undefined;
}

/**
 * Reads a model with its BatchNorms kept: ONNX (opset 1 to 23), Keras HDF5 (`.h5`), a Keras 3 archive (`.keras`) or
 * TFJS Layers (`model.json` and its shards).
 *
 * @param source The file's bytes or its URL (http:, https:, data:, blob:; file: in Node and Deno).
 * @throws GenieError `malformed-file`, `unsupported-operator`, `dynamic-shape`, `invalid-model`, `limit-exceeded`.
 */
export async function loadModel(source: Uint8Array | URL, options: LoadOptions = {}): Promise<Graph> {
  const { limits } = options;
  const files = new Budget(limits);
  const bytes = source instanceof URL ? await readUrl(source, files) : source;
  const readShard = companions(options.readShard ?? readerBeside(source, files), files);
  const graph = await readWithSize(
    // Attempts with several sizes read the files once, and each builds a graph of its own.
    (inputShape) => importModel(bytes, { inputShape, readShard, budget: new Budget(limits) }),
    options.inputShape,
    options.onNote,
  );
  if (graph.tail && graph.tail.reasons.length > 0) options.onNote?.(explainTail(graph.tail));
  return fuseActivations(graph);
}

/** Readers load when a file of their format is met. */
async function importModel(
  bytes: Uint8Array,
  options: { inputShape: number[] | undefined; readShard: CompanionReader; budget: Budget },
): Promise<Graph> {
  const { inputShape, readShard, budget } = options;
  if (holdsMagic(bytes, HDF5)) {
    const { importHdf5 } = await import("../formats/keras/hdf5.ts");
    return importHdf5(bytes, { inputShape, budget });
  }
  if (holdsMagic(bytes, ZIP)) {
    const { importKerasArchive } = await import("../formats/keras/kerasArchive.ts");
    return importKerasArchive(bytes, { inputShape, budget });
  }
  // A protobuf message cannot begin with a brace: it would be a field of an unknown wire type.
  if (firstVisible(bytes) === "{") {
    const { importTfjsLayers } = await import("../formats/tfjs/importTfjsLayers.ts");
    return importTfjsLayers(bytes, readShard, { inputShape, budget });
  }
  const { importOnnxWithFiles } = await import("../formats/onnx/import.ts");
  return importOnnxWithFiles(bytes, readShard, inputShape ? { inputShape, budget } : { budget });
}

const HDF5 = "\x89HDF\r\n\x1a\n";
const ZIP = "PK\x03\x04";

function firstVisible(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes.subarray(0, 64)).trimStart().slice(0, 1);
}

function readerBeside(source: Uint8Array | URL, budget: Budget): CompanionReader {
  return async (path, maxBytes = budget.left("bytes")) => {
    if (source instanceof URL) return readUrlBeside(source, path, maxBytes, budget);
    throw new GenieError(
      "malformed-file",
      `the model keeps its weights in "${path}": load it by URL, or give readShard`,
    );
  };
}
