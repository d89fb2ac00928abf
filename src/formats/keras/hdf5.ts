/** Keras HDF5: `.h5` files of Keras 2 and 3 (topology in an attribute), and weights inside a `.keras` archive. */
import { GenieError } from "../../errors.ts";
import type { Graph } from "../../ir/graph.ts";
import { Budget } from "../budget.ts";
import { parseJson } from "../json.ts";
import { type Group, guarded, type Hdf5, openHdf5 } from "./hdf5File.ts";
import { type ImportLayersOptions, importLayers } from "./importLayers.ts";
import { numberedPlaces } from "./numberedPlaces.ts";
import type { LayerWeight, WeightSource } from "./weights.ts";

/** Reads a whole-model `.h5` file. @throws GenieError as `importLayers`. */
export async function importHdf5(bytes: Uint8Array, options: ImportLayersOptions = {}): Promise<Graph> {
  const { budget = new Budget() } = options;
  const file = await openHdf5(bytes, budget);
  const { root } = file;
  const { model_config: config, keras_version: kerasVersion } = guarded(() => root.attrs);
  if (typeof config !== "string") {
    throw new GenieError(
      "malformed-file",
      "this HDF5 file has no model_config: it holds weights alone, or is no Keras model; save the whole model",
    );
  }
  return importLayers(parseJson(config, "model_config"), namedWeights(file), {
    ...options,
    budget,
    kerasVersion,
  });
}

/**
 * The weights of a `.keras` archive, where each layer's variables are numbered in Keras's order.
 *
 * @param model What `config.json` says, whose order tells which group is whose.
 * @throws GenieError `malformed-file`.
 */
export async function readNumberedWeights(
  bytes: Uint8Array,
  model: unknown,
  budget: Budget,
): Promise<WeightSource> {
  const file = await openHdf5(bytes, budget);
  const { root } = file;
  const places = guarded(() => numberedPlaces(model, variableGroups(root)));
  return ({ name, path }) =>
    guarded(() => {
      const place = places.get(path.join("/"));
      const vars = place === undefined ? undefined : (root.get(place) as Group);
      if (!vars) return [];
      const numbers = [...vars.keys].sort((a, b) => Number(a) - Number(b));
      return numbers.map((key) => file.read(vars.get(key), `${name}/${key}`));
    });
}

/** Groups within groups, deeper than any model nests its layers. */
const MAX_DEPTH = 32;

/** Path of every group "vars" of the file, by the path of the group around it, with slashes for Windows's backslashes. */
function variableGroups(root: Group): Map<string, string> {
  const found = new Map<string, string>();
  // Groups that hold each other, or one that many hold, would be walked through for ever.
  const seen = new Set<number>();
  const visit = (parent: Group, path: string, depth: number): void => {
    const { offset } = parent._dataobjects;
    if (depth > MAX_DEPTH || seen.has(offset)) return;
    seen.add(offset);
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
function namedWeights(file: Hdf5): WeightSource {
  const weights = guarded(() => group(file.root, "model_weights"));
  return ({ path }) =>
    guarded(() => {
      const own = weights && descend(weights, path[0]!.split("/"));
      if (!own) return [];
      return ownNames(weightNames(own.attrs), path.slice(1)).map((name): LayerWeight => {
        const last = name.slice(name.lastIndexOf("/") + 1).replace(/:\d+$/, "");
        return { name: last, ...file.read(own.get(name), name) };
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

function group(parent: Group, name: string): Group | undefined {
  if (!parent.keys.includes(name)) return undefined;
  const child = parent.get(name);
  return child && !("dtype" in child) ? child : undefined;
}

/** A layer whose name has slashes is kept in groups within groups. */
function descend(parent: Group, names: readonly string[]): Group | undefined {
  return names.reduce<Group | undefined>((at, name) => at && group(at, name), parent);
}
