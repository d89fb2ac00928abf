/** Keras HDF5: `.h5` files of Keras 2 and 3 (topology in an attribute), and weights inside a `.keras` archive. */
import { GenieError } from "../../errors.ts";
import type { Graph } from "../../ir/graph.ts";
import { parseJson } from "../json.ts";
import { type ImportLayersOptions, importLayers } from "./importLayers.ts";
import { numberedPlaces } from "./numberedPlaces.ts";
import { elementsOf, type LayerWeight, type WeightSource } from "./weights.ts";

/** What we use of jsfive, which has no types of its own. */
interface Group {
  keys: string[];
  attrs: Record<string, unknown>;
  get(path: string): Group | Dataset | null;
}

interface Dataset {
  shape: number[];
  dtype: unknown;
  value: ArrayLike<number>;
}

/** Reads a whole-model `.h5` file. @throws GenieError as `importLayers`. */
export async function importHdf5(bytes: Uint8Array, options: ImportLayersOptions = {}): Promise<Graph> {
  const root = await openHdf5(bytes);
  const { model_config: config, keras_version: kerasVersion } = guarded(() => root.attrs);
  if (typeof config !== "string") {
    throw new GenieError(
      "malformed-file",
      "this HDF5 file has no model_config: it holds weights alone, or is no Keras model; save the whole model",
    );
  }
  return importLayers(parseJson(config, "model_config"), namedWeights(root), { ...options, kerasVersion });
}

/**
 * The weights of a `.keras` archive, where each layer's variables are numbered in Keras's order.
 *
 * @param model What `config.json` says, whose order tells which group is whose.
 * @throws GenieError `malformed-file`.
 */
export async function readNumberedWeights(bytes: Uint8Array, model: unknown): Promise<WeightSource> {
  const root = await openHdf5(bytes);
  const places = guarded(() => numberedPlaces(model, variableGroups(root)));
  return ({ name, path }) =>
    guarded(() => {
      const place = places.get(path.join("/"));
      const vars = place === undefined ? undefined : (root.get(place) as Group);
      if (!vars) return [];
      const numbers = [...vars.keys].sort((a, b) => Number(a) - Number(b));
      return numbers.map((key) => readDataset(vars.get(key), `${name}/${key}`));
    });
}

/** Groups within groups, deeper than any model nests its layers. */
const MAX_DEPTH = 32;

/** Path of every group "vars" of the file, by the path of the group around it, with slashes for Windows's backslashes. */
function variableGroups(root: Group): Map<string, string> {
  const found = new Map<string, string>();
  const visit = (parent: Group, path: string, depth: number): void => {
    if (depth > MAX_DEPTH) return;
    for (const key of parent.keys) {
      const child = group(parent, key);
      if (!child) continue;
      if (key === "vars") found.set(path.replaceAll("\\", "/"), `${path}/${key}`);
      else visit(child, path === "" ? key : `${path}/${key}`, depth + 1);
    }
  };
  visit(root, "", 0);
  return found;
}

/** `model_weights/<layer>`: the attribute weight_names lists paths such as "conv/kernel:0". */
function namedWeights(root: Group): WeightSource {
  const weights = guarded(() => group(root, "model_weights"));
  return ({ path }) =>
    guarded(() => {
      const own = weights && descend(weights, path[0]!.split("/"));
      if (!own) return [];
      return ownNames(weightNames(own.attrs), path.slice(1)).map((name): LayerWeight => {
        const last = name.slice(name.lastIndexOf("/") + 1).replace(/:\d+$/, "");
        return { name: last, ...readDataset(own.get(name), name) };
      });
    });
}

/**
 * Those of a layer among the weights of the model around it, which stand all together: Keras 2 calls them
 * "layer/kernel:0", Keras 3 may put the names of the models around in front.
 *
 * @param inner Names of the models inside the outermost, and of the layer; none for a layer that is in none.
 */
function ownNames(names: readonly string[], inner: readonly string[]): readonly string[] {
  if (inner.length === 0) return names;
  for (let first = 0; first < inner.length; first++) {
    const wanted = inner.slice(first).join("/");
    const scopes = names.map((name) => name.slice(0, Math.max(name.lastIndexOf("/"), 0)));
    const isSame = (scope: string) => scope === wanted;
    const isInside = (scope: string) => scope.endsWith(`/${wanted}`);
    const found = [isSame, isInside].find((matches) => scopes.some(matches));
    if (found) return names.filter((_, index) => found(scopes[index]!));
  }
  return [];
}

/** Long lists of names are split into weight_names0, weight_names1, … */
function weightNames(attrs: Record<string, unknown>): string[] {
  const chunks: unknown[] = [attrs.weight_names];
  for (let i = 0; attrs[`weight_names${i}`] !== undefined; i++) chunks.push(attrs[`weight_names${i}`]);
  // HDF5 pads strings of a list to the longest with zeros.
  return chunks.flatMap((names) =>
    Array.isArray(names) ? names.map((name) => String(name).split("\0", 1)[0]!) : [],
  );
}

async function openHdf5(bytes: Uint8Array): Promise<Group> {
  requireWhole(bytes);
  const { File } = await import("jsfive");
  // jsfive reads a buffer from its beginning (`slice` would not copy a Buffer).
  const own = new Uint8Array(bytes).buffer;
  return guarded(() => new File(own, "model.h5") as Group);
}

/**
 * Of a truncated file jsfive finds some groups and not others, which then look as if a weight were missing. The
 * superblock says where the file ends: at byte 40 in versions 0 and 1, at byte 28 in versions 2 and 3.
 */
function requireWhole(bytes: Uint8Array): void {
  const at = bytes[8]! < 2 ? 40 : 28;
  if (bytes.length < at + 8) throw new GenieError("malformed-file", "this HDF5 file is truncated");
  const end = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(at, true);
  if (end > BigInt(bytes.length)) {
    throw new GenieError(
      "malformed-file",
      `this HDF5 file is truncated: it has ${bytes.length} bytes of ${end}; copy or download it again`,
    );
  }
}

function group(parent: Group, name: string): Group | undefined {
  if (!parent.keys.includes(name)) return undefined;
  const child = parent.get(name);
  return child && !("dtype" in child) ? child : undefined;
}

/** A layer whose name has slashes is kept in groups within groups. */
function descend(parent: Group, names: readonly string[]): Group | undefined {
  return names.reduce<Group | undefined>((at, name) => at && group(at, name), parent);
}

function readDataset(dataset: Group | Dataset | null, name: string): LayerWeight {
  if (!dataset || !("dtype" in dataset))
    throw new GenieError("malformed-file", `weight "${name}" is missing`);
  const elements = elementsOf(dataset.shape, name);
  // Counters are 64-bit integers.
  const data = Float32Array.from(dataset.value, Number);
  if (data.length !== elements) {
    throw new GenieError("malformed-file", `weight "${name}" has ${data.length} values, not ${elements}`);
  }
  return { shape: [...dataset.shape], data };
}

/** jsfive throws whatever comes up where a file is not what it says. */
function guarded<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof GenieError) throw error;
    throw new GenieError("malformed-file", "this HDF5 file cannot be read: truncated or damaged", {
      cause: error,
    });
  }
}
