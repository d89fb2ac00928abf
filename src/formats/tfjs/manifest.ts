/** The weights of a TFJS `model.json`: what its manifest lists, read from binary shards beside it. */
import { GenieError } from "../../errors.ts";
import { halfToFloat } from "../float16.ts";
import { type Config, record } from "../keras/topology.ts";
import { elementsOf } from "../keras/weights.ts";

/** Bytes of a file that `model.json` names, relative to it. */
export type ShardReader = (path: string) => Promise<Uint8Array>;

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
 * @throws GenieError `malformed-file`.
 */
export async function readManifest(manifest: unknown, readShard: ShardReader): Promise<ManifestWeight[]> {
  const all: ManifestWeight[] = [];
  const seen = new Set<string>();
  if (!Array.isArray(manifest)) throw new GenieError("malformed-file", "model.json has no weightsManifest");
  for (const group of manifest) {
    const { paths, weights } = record(group, "a group of the weightsManifest");
    if (!Array.isArray(paths) || !Array.isArray(weights)) {
      throw new GenieError("malformed-file", "a group of the weightsManifest lacks its paths or weights");
    }
    for (const path of paths) checkPath(path, seen);
    const shards = await Promise.all(paths.map((path: string) => readShard(path)));
    const bytes = concatenate(shards);
    let offset = 0;
    for (const entry of weights) {
      const spec = record(entry, "a weight");
      const name = String(spec.name);
      const { data, length } = decode(bytes, offset, spec, name, paths);
      offset += length;
      const isInteger = spec.dtype === "int32" || spec.dtype === "bool";
      all.push({ name, shape: spec.shape as number[], data, isInteger });
    }
    if (offset < bytes.length) {
      throw new GenieError(
        "malformed-file",
        `${paths.join(", ")}: ${bytes.length} bytes, but the weights that model.json lists for it take ${offset}; ` +
          "it belongs to another model, or is damaged",
      );
    }
  }
  return all;
}

/** Shards lie beside `model.json`, each named once: a model must not read other files, nor one file endlessly. */
function checkPath(path: unknown, seen: Set<string>): void {
  const isBeside =
    typeof path === "string" &&
    !/^[/\\]|^[a-z][a-z0-9+.-]*:/i.test(path) &&
    !path.split(/[/\\]/).includes("..");
  if (!isBeside || seen.has(path)) {
    throw new GenieError(
      "malformed-file",
      `model.json names the weight file ${JSON.stringify(path)}, which is named twice or not beside it`,
    );
  }
  seen.add(path);
}

const WIDTHS: Readonly<Record<string, number>> = {
  float32: 4,
  int32: 4,
  uint8: 1,
  bool: 1,
  uint16: 2,
  float16: 2,
};

/** Plain floats, or integers that stand for min + q · scale. */
function decode(
  bytes: Uint8Array,
  offset: number,
  spec: Config,
  name: string,
  paths: readonly string[],
): { data: Float32Array; length: number } {
  const elements = elementsOf(spec.shape, name);
  const quantization =
    spec.quantization === undefined ? undefined : record(spec.quantization, "a quantization");
  const dtype = String(quantization?.dtype ?? spec.dtype);
  const width = Object.hasOwn(WIDTHS, dtype) ? WIDTHS[dtype] : undefined;
  if (!width) throw new GenieError("malformed-file", `weight "${name}" is of type ${dtype}`);
  const length = elements * width;
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
  const { scale = 1, min = 0 } = dtype === "float16" ? {} : (quantization ?? {});
  if (typeof scale !== "number" || typeof min !== "number") {
    throw new GenieError("malformed-file", `weight "${name}" is quantized without scale and min`);
  }
  const data = new Float32Array(elements);
  for (let i = 0; i < elements; i++) data[i] = value(i * width) * scale + min;
  return { data, length };
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
