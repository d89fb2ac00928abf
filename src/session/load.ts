/** From a model file to a validated Graph: the format is told by the first bytes. */
import { GenieError } from "../errors.ts";
import { importHdf5 } from "../formats/keras/hdf5.ts";
import { importKerasArchive } from "../formats/keras/kerasArchive.ts";
import { holdsMagic } from "../formats/magic.ts";
import { importOnnx } from "../formats/onnx/import.ts";
import { importTfjsLayers, type ShardReader } from "../formats/tfjs/importTfjsLayers.ts";
import { fuseActivations } from "../ir/fuse.ts";
import type { Graph } from "../ir/graph.ts";
import { validate } from "../ir/validate.ts";
import { readUrl } from "./readUrl.ts";

export interface LoadOptions {
  /** The input's shape where the file leaves it open, in the file's own layout: ONNX [N, C, H, W], Keras [N, H, W, C]. */
  inputShape?: number[] | undefined;
  /** Bytes of a weight file that a TFJS `model.json` names; default: beside it, where `source` is a URL. */
  readShard?: ShardReader | undefined;
}

/**
 * Reads a model with its BatchNorms kept: ONNX (opset 7 to 23), Keras HDF5 (`.h5`), a Keras 3 archive (`.keras`) or
 * TFJS Layers (`model.json` and its shards).
 *
 * @param source The file's bytes or its URL (http:, https:, data:, blob:; file: in Node and Deno).
 * @throws GenieError `malformed-file`, `unsupported-operator`, `dynamic-shape`, `invalid-model`.
 */
export async function loadModel(source: Uint8Array | URL, options: LoadOptions = {}): Promise<Graph> {
  const bytes = source instanceof URL ? await readUrl(source) : source;
  const graph = await importModel(bytes, {
    ...options,
    readShard: options.readShard ?? shardsBeside(source),
  });
  validate(graph);
  return fuseActivations(graph);
}

function importModel(
  bytes: Uint8Array,
  options: LoadOptions & { readShard: ShardReader },
): Graph | Promise<Graph> {
  const { inputShape, readShard } = options;
  if (holdsMagic(bytes, HDF5)) return importHdf5(bytes, { inputShape });
  if (holdsMagic(bytes, ZIP)) return importKerasArchive(bytes, { inputShape });
  // A protobuf message cannot begin with a brace: it would be a field of an unknown wire type.
  if (firstVisible(bytes) === "{") return importTfjsLayers(bytes, readShard, { inputShape });
  return importOnnx(bytes, inputShape ? { inputShape } : {});
}

const HDF5 = "\x89HDF\r\n\x1a\n";
const ZIP = "PK\x03\x04";

function firstVisible(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes.subarray(0, 64)).trimStart().slice(0, 1);
}

function shardsBeside(source: Uint8Array | URL): ShardReader {
  return async (path) => {
    if (source instanceof URL) return readUrl(new URL(path, source));
    throw new GenieError(
      "malformed-file",
      `model.json keeps its weights in "${path}": load it by URL, or give readShard`,
    );
  };
}
