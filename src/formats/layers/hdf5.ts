/** Keras HDF5: `.h5` files of Keras 2 and 3 (topology in an attribute), and weights inside a `.keras` archive. */
import { GenieError } from "../../errors.ts";
import type { Graph } from "../../ir/graph.ts";
import { type ImportLayersOptions, importLayers } from "./importLayers.ts";
import { elementsOf, type LayerWeight, type WeightSource } from "./weights.ts";

/** What we use of jsfive, which has no types. */
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
  return guarded(() => {
    const config = root.attrs.model_config;
    if (typeof config !== "string") {
      throw new GenieError(
        "malformed-file",
        "this HDF5 file has no model_config: it holds weights alone, or is no Keras model; save the whole model",
      );
    }
    return importLayers(JSON.parse(config), namedWeights(root), options);
  });
}

/** The weights of a `.keras` archive: numbered by layer, in Keras's order. @throws GenieError `malformed-file`. */
export async function readNumberedWeights(bytes: Uint8Array): Promise<WeightSource> {
  const root = await openHdf5(bytes);
  const layers = guarded(() => group(root, "layers") ?? group(root, "_layer_checkpoint_dependencies"));
  const ofClass = new Map<string, number>();
  return (layer, className) =>
    guarded(() => {
      // Older Keras 3 counts the layers of a class: conv2d, conv2d_1, …; newer ones write their names.
      const snake = snakeCase(className);
      const count = ofClass.get(snake) ?? 0;
      ofClass.set(snake, count + 1);
      const counted = count === 0 ? snake : `${snake}_${count}`;
      const own = layers && (group(layers, layer) ?? group(layers, counted));
      const vars = own && group(own, "vars");
      if (!vars) return [];
      const numbers = [...vars.keys].sort((a, b) => Number(a) - Number(b));
      return numbers.map((key) => readDataset(vars.get(key) as Dataset, `${layer}/${key}`));
    });
}

/** `model_weights/<layer>`: the attribute weight_names lists paths such as "conv/kernel:0". */
function namedWeights(root: Group): WeightSource {
  const weights = group(root, "model_weights");
  return (layer) =>
    guarded(() => {
      const own = weights && group(weights, layer);
      if (!own) return [];
      const names = own.attrs.weight_names;
      if (!Array.isArray(names)) return [];
      return names.map((raw): LayerWeight => {
        // HDF5 pads strings of a list to the longest with zeros.
        const path = String(raw).split("\0", 1)[0]!;
        const dataset = own.get(path);
        if (!dataset || !("dtype" in dataset)) {
          throw new GenieError("malformed-file", `weight "${path}" of layer "${layer}" is missing`);
        }
        const name = path.slice(path.lastIndexOf("/") + 1).replace(/:\d+$/, "");
        return { name, ...readDataset(dataset, path) };
      });
    });
}

async function openHdf5(bytes: Uint8Array): Promise<Group> {
  const { File } = await import("jsfive");
  // jsfive reads a buffer from its beginning.
  const own = bytes.slice().buffer;
  return guarded(() => new File(own, "model.h5") as Group);
}

function group(parent: Group, name: string): Group | undefined {
  if (!parent.keys.includes(name)) return undefined;
  const child = parent.get(name);
  return child && !("dtype" in child) ? child : undefined;
}

function readDataset(dataset: Dataset, name: string): LayerWeight {
  const elements = elementsOf(dataset.shape, name);
  const data = Float32Array.from(dataset.value);
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
    throw new GenieError(
      "malformed-file",
      `this HDF5 file cannot be read: ${(error as Error)?.message ?? error}`,
      {
        cause: error,
      },
    );
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
