/** The layers of a Keras model and how they hang together: Sequential and functional, as Keras 2 and 3 write them. */
import { GenieError } from "../../errors.ts";

/** A layer's configuration: JSON of unknown make. */
export type Config = Readonly<Record<string, unknown>>;

/** One use of a layer and what it reads. */
export interface LayerCall {
  /** Unique in the model: the layer's own, and of a layer that is used again with the number of the use, "conv:1". */
  name: string;
  /** Names of the models that it is nested in, from the outermost, and its own name last: whose weights it has. */
  path: string[];
  className: string;
  config: Config;
  /** Names of the values that it reads: of the layers that give them, "model#1" for a model's second output. */
  inputs: string[];
  /** What else it is called with: {"training": true}. */
  keywords: Config;
}

export interface Topology {
  name: string;
  layers: LayerCall[];
  inputs: string[];
  outputs: string[];
}

/** Classes that are models: Keras 2 and 3 name functional ones differently. */
export const MODEL_CLASSES: readonly unknown[] = ["Sequential", "Functional", "Model"];

/**
 * Reads `{class_name, config}` of a model.
 *
 * @throws GenieError `malformed-file`, `unsupported-operator` for subclassed models.
 */
export function readTopology(model: unknown): Topology {
  const { class_name: className, config } = record(model, "the model");
  switch (className) {
    case "Sequential":
      return readSequential(config);
    case "Functional":
    case "Model":
      return readFunctional(record(config, "the model's config"));
    default:
      throw new GenieError(
        "unsupported-operator",
        `the model is of class ${JSON.stringify(className)}; Sequential and functional models are supported`,
      );
  }
}

function readSequential(config: unknown): Topology {
  // The oldest files have the list of layers alone.
  const settings = Array.isArray(config) ? { layers: config } : record(config, "the model's config");
  const layers: LayerCall[] = [];
  for (const entry of list(settings.layers, "layers")) {
    const layer = readLayer(entry);
    if (layers.length === 0 && layer.className !== "InputLayer") {
      // The first layer may say what goes in, or the model.
      const name = `${layer.name}_input`;
      const batchInputShape = layer.config.batch_input_shape ?? settings.build_input_shape;
      layers.push({
        name,
        path: [name],
        className: "InputLayer",
        config: { ...layer.config, batch_input_shape: batchInputShape },
        inputs: [],
        keywords: {},
      });
    }
    layers.push({ ...layer, inputs: layers.slice(-1).map(nameOf), keywords: {} });
  }
  return {
    name: text(settings.name, "sequential"),
    layers,
    inputs: layers.slice(0, 1).map(nameOf),
    outputs: layers.slice(-1).map(nameOf),
  };
}

function readFunctional(config: Config): Topology {
  const entries = list(config.layers, "layers").map((entry) => {
    const { inbound_nodes: nodes = [] } = record(entry, "a layer");
    const layer = readLayer(entry);
    return { layer, calls: list(nodes, `inbound_nodes of "${layer.name}"`).map(readCall) };
  });
  const inputs = tensorsOf(config.input_layers);
  const outputs = tensorsOf(config.output_layers);
  const uses = new Map(entries.map(({ layer, calls }) => [layer.name, calls.length]));
  const last = new Map<string, number>();
  for (const { layer, call } of [
    ...entries.flatMap(({ calls }) => calls.flatMap(({ tensors }) => tensors)),
    ...outputs,
  ]) {
    last.set(layer, Math.max(call, last.get(layer) ?? 0));
  }
  const read = (references: readonly TensorReference[]): string[] =>
    references.map(({ layer, call, tensor }) => {
      const count = uses.get(layer) ?? 0;
      if (count < 2) return nameOfOutput(layer, tensor);
      // Models inside count from 1 where what made them counts as a use. Every use that is kept is read.
      const first = last.get(layer) === count ? 1 : 0;
      const index = call - first;
      if (index < 0 || index >= count) {
        throw malformed(`use ${call} of layer "${layer}" is read, which has ${count}`);
      }
      return nameOfOutput(nameOfCall(layer, index), tensor);
    });
  return {
    name: text(config.name, "model"),
    layers: entries.flatMap(({ layer, calls }) =>
      // Inputs read nothing.
      (calls.length === 0 ? [{ tensors: [], keywords: {} }] : calls).map(
        ({ tensors, keywords }, index): LayerCall => ({
          ...layer,
          name: nameOfCall(layer.name, index),
          inputs: read(tensors),
          keywords,
        }),
      ),
    ),
    inputs: read(inputs),
    outputs: read(outputs),
  };
}

function nameOfCall(layer: string, call: number): string {
  return call === 0 ? layer : `${layer}:${call}`;
}

/** What a use of a layer gives in its place: only models give more than one value. */
export function nameOfOutput(use: string, index: number): string {
  return index === 0 ? use : `${use}#${index}`;
}

/** "training = true": the first keyword of a call that is neither off nor left out. */
export function keywordThatMatters({ keywords }: LayerCall): string | undefined {
  const found = Object.entries(keywords).find(([, value]) => value !== null && value !== false);
  return found && `${found[0]} = ${JSON.stringify(found[1]).slice(0, 80)}`;
}

function readLayer(entry: unknown): Omit<LayerCall, "inputs" | "keywords"> {
  const { class_name: className, config, name } = record(entry, "a layer");
  const settings = record(config, "a layer's config");
  if (typeof className !== "string") throw malformed("a layer has no class_name");
  const ownName = text(name ?? settings.name, "");
  if (!ownName) throw malformed(`a layer of class ${className} has no name`);
  return { name: ownName, path: [ownName], className, config: settings };
}

/** A value: what a layer gives the so many-th time that it is used; a model may give several. */
interface TensorReference {
  layer: string;
  call: number;
  tensor: number;
  keywords: unknown;
}

/** What a layer is called with. */
interface Call {
  tensors: TensorReference[];
  keywords: Config;
}

/** Keras 2 writes the keywords behind each tensor, Keras 3 {args, kwargs}. */
function readCall(node: unknown): Call {
  const tensors = tensorsOf(node);
  const { args, kwargs } = Array.isArray(node) ? {} : record(node, "a use of a layer");
  const others = Array.isArray(args) ? args.filter((value) => tensorsOf(value).length === 0) : [];
  return {
    tensors,
    keywords: Object.assign(
      {},
      ...tensors.map(({ keywords }) => keywords),
      kwargs,
      // Without a name, but no less a setting.
      ...others.map((value, index) => ({ [`argument ${tensors.length + index}`]: value })),
    ),
  };
}

/**
 * The values named in one call: Keras 2 writes [name, node index, tensor index, kwargs] or a list of these, Keras 3
 * {args: …} with tensors {class_name: "__keras_tensor__", config: {keras_history: [name, node, tensor]}}.
 */
function tensorsOf(value: unknown): TensorReference[] {
  if (Array.isArray(value)) {
    const [layer, call = 0, tensor = 0, keywords] = value;
    const isReference =
      typeof layer === "string" && [call, tensor].every((n) => Number.isSafeInteger(n) && n >= 0);
    return isReference ? [{ layer, call, tensor, keywords }] : value.flatMap(tensorsOf);
  }
  if (typeof value !== "object" || value === null) return [];
  const { class_name: className, config, args, keras_history: history } = value as Record<string, unknown>;
  if (className === "__keras_tensor__") return tensorsOf(config);
  if (history !== undefined) return tensorsOf(history);
  return tensorsOf(args);
}

const nameOf = ({ name }: LayerCall): string => name;

/** An object. @throws GenieError `malformed-file` otherwise. */
export function record(value: unknown, what: string): Config {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw malformed(`${what} is no object`);
  return value as Config;
}

function list(value: unknown, what: string): unknown[] {
  if (!Array.isArray(value)) throw malformed(`${what} is no list`);
  return value;
}

function text(value: unknown, otherwise: string): string {
  return typeof value === "string" ? value : otherwise;
}

function malformed(why: string): GenieError {
  return new GenieError("malformed-file", `this is no Keras model: ${why}`);
}
