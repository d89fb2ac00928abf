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
  /** Tells what a file is whose bytes do not; default: that of `source`, where it is a URL. */
  fileName?: string | undefined;
  /**
   * Bytes of a file that a TFJS `model.json` or ONNX external data names by its path from the model's folder, never out
   * of it; default: beside the model, where `source` is a URL.
   */
  readShard?: CompanionReader | undefined;
  /** What reading may cost at most, where the defaults (docs/limits.md) are too small for a model that is trusted. */
  limits?: Partial<Limits> | undefined;
}

/**
 * Reads a model with its BatchNorms kept: ONNX (opset 1 to 23), Keras HDF5 (`.h5`), a Keras 3 archive (`.keras`), TFJS
 * Layers or graph model (`model.json` and its shards), or TensorFlow Lite (`.tflite`).
 *
 * @param source The file's bytes or its URL (http:, https:, data:, blob:; file: in Node and Deno).
 * @throws GenieError `malformed-file`, `unsupported-operator`, `dynamic-shape`, `invalid-model`, `limit-exceeded`.
 */
export async function loadModel(source: Uint8Array | URL, options: LoadOptions = {}): Promise<Graph> {
  const { limits, onNote } = options;
  const files = new Budget(limits);
  const bytes = source instanceof URL ? await readUrl(source, files) : source;
  const readShard = companions(options.readShard ?? readerBeside(source, files), files);
  const fileName = options.fileName ?? (source instanceof URL ? source.pathname : undefined);
  const graph = await readWithSize(
    // Attempts with several sizes read the files once, and each builds a graph of its own.
    (inputShape) =>
      importNamed(bytes, { inputShape, readShard, onNote, budget: new Budget(limits) }, fileName),
    options.inputShape,
    options.onNote,
  );
  if (graph.tail && graph.tail.reasons.length > 0) options.onNote?.(explainTail(graph.tail));
  return fuseActivations(graph);
}

/** What importers are given. */
interface ImportSettings {
  inputShape: number[] | undefined;
  readShard: CompanionReader;
  onNote: LoadOptions["onNote"];
  budget: Budget;
}

/** Where no reader makes anything of the file, it is named as what it is. */
async function importNamed(
  bytes: Uint8Array,
  settings: ImportSettings,
  fileName: string | undefined,
): Promise<Graph> {
  try {
    return await importModel(bytes, settings);
  } catch (error) {
    if (!(error instanceof GenieError) || error.code !== "malformed-file") throw error;
    const { nameFile } = await import("../formats/foreign/name.ts");
    const name = nameFile(bytes, fileName);
    throw name === undefined ? error : new GenieError("malformed-file", name, { cause: error });
  }
}

/** Readers load when a file of their format is met. */
async function importModel(
  bytes: Uint8Array,
  { inputShape, readShard, onNote, budget }: ImportSettings,
): Promise<Graph> {
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
    const { importTfjs } = await import("../formats/tfjs/importTfjs.ts");
    return importTfjs(bytes, readShard, { inputShape, budget });
  }
  if (holdsMagic(bytes, TFLITE, 4)) {
    const { importTflite } = await import("../formats/tflite/import.ts");
    return importTflite(bytes, { inputShape, onNote, budget });
  }
  const { importOnnxWithFiles } = await import("../formats/onnx/import.ts");
  return importOnnxWithFiles(bytes, readShard, inputShape ? { inputShape, budget } : { budget });
}

const HDF5 = "\x89HDF\r\n\x1a\n";
const ZIP = "PK\x03\x04";
/** Behind the offset of the root table. */
const TFLITE = "TFL3";

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
