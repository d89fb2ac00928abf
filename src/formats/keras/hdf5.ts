/** Keras HDF5: `.h5` files of Keras 2 and 3 (topology in an attribute), and weights inside a `.keras` archive. */
import { GenieError } from "../../errors.ts";
import type { Graph } from "../../ir/graph.ts";
import { parseJson } from "../json.ts";
import { type ImportLayersOptions, importLayers } from "./importLayers.ts";
import { MODEL_CLASSES, readTopology } from "./topology.ts";
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
  const groups = countedGroups(model);
  return ({ name, path }) =>
    guarded(() => {
      const own = descend(root, groups.get(path.join("/"))!) ?? descend(root, path);
      const vars = own && group(own, "vars");
      if (!vars) return [];
      const numbers = [...vars.keys].sort((a, b) => Number(a) - Number(b));
      return numbers.map((key) => readDataset(vars.get(key), `${name}/${key}`));
    });
}

/**
 * Keras names the groups of a model's layers by class and count and not by their names: conv2d, conv2d_1, …
 *
 * @returns Group names from the outermost model inwards, by the layer's path.
 */
function countedGroups(
  model: unknown,
  outer: { path: string[]; groups: string[] } = { path: [], groups: [] },
  found = new Map<string, string[]>(),
): Map<string, string[]> {
  const counts = new Map<string, number>();
  for (const { name, className, config } of readTopology(model).layers) {
    const snake = snakeCase(className);
    const count = counts.get(snake) ?? 0;
    counts.set(snake, count + 1);
    const path = [...outer.path, name];
    const groups = [...outer.groups, count === 0 ? snake : `${snake}_${count}`];
    found.set(path.join("/"), groups);
    if (MODEL_CLASSES.includes(className)) {
      countedGroups({ class_name: className, config }, { path, groups }, found);
    }
  }
  return found;
}

/** The group of a layer: layers/<outer>/layers/<inner>. */
function descend(root: Group, names: readonly string[]): Group | undefined {
  return names.reduce<Group | undefined>((parent, name) => {
    const layers = parent && (group(parent, "layers") ?? group(parent, "_layer_checkpoint_dependencies"));
    return layers && group(layers, name);
  }, root);
}

/** `model_weights/<layer>`: the attribute weight_names lists paths such as "conv/kernel:0". */
function namedWeights(root: Group): WeightSource {
  const weights = guarded(() => group(root, "model_weights"));
  return ({ path }) =>
    guarded(() => {
      const own = weights && group(weights, path[0]!);
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

/** "BatchNormalization" → "batch_normalization", "Conv2D" → "conv2d", as Keras does. */
function snakeCase(name: string): string {
  return name
    .replace(/\W+/g, "")
    .replace(/(.)([A-Z][a-z]+)/g, "$1_$2")
    .replace(/([a-z])([A-Z])/g, "$1_$2")
    .toLowerCase();
}
