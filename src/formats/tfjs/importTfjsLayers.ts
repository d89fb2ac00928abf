/** TFJS Layers: `model.json` with the topology and a manifest of the weights, which lie in binary shards. */
import { GenieError } from "../../errors.ts";
import type { Graph } from "../../ir/graph.ts";
import { Budget } from "../budget.ts";
import { type CompanionReader, companionPath } from "../companion.ts";
import { concatenate } from "../concatenate.ts";
import { halfToFloat } from "../float16.ts";
import { parseJson } from "../json.ts";
import { type ImportLayersOptions, importLayers } from "../keras/importLayers.ts";
import { record } from "../keras/topology.ts";
import { elementsOf, type LayerWeight, type WeightSource } from "../keras/weights.ts";

/**
 * Reads a TFJS Layers model.
 *
 * @param bytes Of `model.json`.
 * @throws GenieError as `importLayers`, and `unsupported-operator` for a TFJS graph model.
 */
export async function importTfjsLayers(
  bytes: Uint8Array,
  readShard: CompanionReader,
  options: ImportLayersOptions = {},
): Promise<Graph> {
  const { budget = new Budget() } = options;
  const file = record(parseJson(bytes, "model.json"), "model.json");
  if (file.format === "graph-model" || !file.modelTopology) {
    throw new GenieError(
      "unsupported-operator",
      `this is a TFJS ${file.format === "graph-model" ? "graph model" : "file without modelTopology"}; Layers models are supported`,
    );
  }
  const topology = record(file.modelTopology, "modelTopology");
  const weights = await readManifest(file.weightsManifest, readShard, budget);
  // Weights are called by the layer's own name, also in nested models.
  const weightsOf: WeightSource = ({ path }) => weights.get(path.at(-1)!) ?? [];
  return importLayers(topology.model_config ?? topology, weightsOf, {
    ...options,
    budget,
    kerasVersion: topology.keras_version,
  });
}

/** Weights by layer; "block/conv/kernel" is the kernel of layer "block/conv". */
async function readManifest(
  manifest: unknown,
  readShard: CompanionReader,
  budget: Budget,
): Promise<Map<string, LayerWeight[]>> {
  const byLayer = new Map<string, LayerWeight[]>();
  const seen = new Set<string>();
  if (!Array.isArray(manifest)) throw new GenieError("malformed-file", "model.json has no weightsManifest");
  for (const group of manifest) {
    const { paths, weights } = record(group, "a group of the weightsManifest");
    if (!Array.isArray(paths) || !Array.isArray(weights)) {
      throw new GenieError("malformed-file", "a group of the weightsManifest lacks its paths or weights");
    }
    const specs = weights.map((entry) => readSpec(entry, budget));
    const bytes = await readShards(paths, specs, seen, readShard);
    let offset = 0;
    for (const spec of specs) {
      const data = decode(bytes, offset, spec, paths);
      offset += spec.length;
      const slash = spec.name.lastIndexOf("/");
      const layer = spec.name.slice(0, Math.max(slash, 0));
      const own = byLayer.get(layer) ?? [];
      own.push({ name: spec.name.slice(slash + 1), shape: spec.shape, data });
      byLayer.set(layer, own);
    }
  }
  return byLayer;
}

/**
 * The shards of a group one behind the other: each once, and no more of them than the weights take, so that a file under
 * many names is not read for ever.
 */
async function readShards(
  paths: readonly unknown[],
  specs: readonly WeightSpec[],
  seen: Set<string>,
  readShard: CompanionReader,
): Promise<Uint8Array> {
  const needed = specs.reduce((sum, { length }) => sum + length, 0);
  const shards: Uint8Array[] = [];
  let size = 0;
  for (const path of paths) {
    const place = companionPath(path);
    if (seen.has(place)) {
      throw new GenieError("malformed-file", `model.json names the weight file "${place}" twice`);
    }
    seen.add(place);
    const shard = await readShard(path as string);
    size += shard.length;
    if (size > needed) {
      throw new GenieError(
        "malformed-file",
        `${path}: ${size} bytes, but the weights that model.json lists for it take ${needed}; ` +
          "it belongs to another model, or is damaged",
      );
    }
    shards.push(shard);
  }
  return concatenate(shards);
}

const WIDTHS: Readonly<Record<string, number>> = {
  float32: 4,
  int32: 4,
  uint8: 1,
  bool: 1,
  uint16: 2,
  float16: 2,
};

/** An entry of the manifest. */
interface WeightSpec {
  name: string;
  shape: number[];
  elements: number;
  dtype: string;
  /** Bytes of an element, and of all. */
  width: number;
  length: number;
  /** Integers stand for min + q · scale. */
  scale: number;
  min: number;
}

function readSpec(entry: unknown, budget: Budget): WeightSpec {
  const { name: stated, shape, dtype: plain, quantization: packed } = record(entry, "a weight");
  const name = String(stated);
  const elements = elementsOf(shape, name, budget);
  budget.spend("values", elements, "the model");
  const quantization = packed === undefined ? undefined : record(packed, "a quantization");
  const dtype = String(quantization?.dtype ?? plain);
  const width = Object.hasOwn(WIDTHS, dtype) ? WIDTHS[dtype] : undefined;
  if (!width) throw new GenieError("malformed-file", `weight "${name}" is of type ${dtype}`);
  const { scale = 1, min = 0 } = dtype === "float16" ? {} : (quantization ?? {});
  if (typeof scale !== "number" || typeof min !== "number") {
    throw new GenieError("malformed-file", `weight "${name}" is quantized without scale and min`);
  }
  return { name, shape: shape as number[], elements, dtype, width, length: elements * width, scale, min };
}

function decode(
  bytes: Uint8Array,
  offset: number,
  { name, elements, dtype, width, length, scale, min }: WeightSpec,
  paths: readonly string[],
): Float32Array {
  if (offset + length > bytes.length) {
    throw new GenieError(
      "malformed-file",
      `weight "${name}" needs bytes ${offset} to ${offset + length}, but ${paths.join(", ")} ` +
        `has ${bytes.length}: truncated, or of another model`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, length);
  const read: Record<string, (at: number) => number> = {
    float32: (at) => view.getFloat32(at, true),
    int32: (at) => view.getInt32(at, true),
    uint8: (at) => view.getUint8(at),
    bool: (at) => view.getUint8(at),
    uint16: (at) => view.getUint16(at, true),
    float16: (at) => halfToFloat(view.getUint16(at, true)),
  };
  const value = read[dtype]!;
  const data = new Float32Array(elements);
  for (let i = 0; i < elements; i++) data[i] = value(i * width) * scale + min;
  return data;
}
