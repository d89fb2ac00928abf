/** The weights of a TFJS `model.json`: what its manifest lists, read from binary shards beside it. */
import { GenieError } from "../../errors.ts";
import type { Budget } from "../budget.ts";
import { type CompanionReader, companionPath } from "../companion.ts";
import { concatenate } from "../concatenate.ts";
import { halfToFloat } from "../float16.ts";
import { record } from "../keras/topology.ts";
import { elementsOf } from "../keras/weights.ts";

export interface ManifestWeight {
  name: string;
  shape: number[];
  data: Float32Array;
  /** Whether it is of integers: axes, shapes and the like. */
  isInteger: boolean;
}

/**
 * All weights in the manifest's order.
 *
 * @throws GenieError `malformed-file`, `limit-exceeded`.
 */
export async function readManifest(
  manifest: unknown,
  readShard: CompanionReader,
  budget: Budget,
): Promise<ManifestWeight[]> {
  const all: ManifestWeight[] = [];
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
      all.push({ name: spec.name, shape: spec.shape, data, isInteger: spec.isInteger });
    }
  }
  return all;
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
  /** As it is stored. */
  dtype: string;
  isInteger: boolean;
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
  const isInteger = plain === "int32" || plain === "bool";
  return {
    name,
    shape: shape as number[],
    elements,
    dtype,
    isInteger,
    width,
    length: elements * width,
    scale,
    min,
  };
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
