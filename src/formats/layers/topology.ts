/** The layers of a Keras model and how they hang together: Sequential and functional, as Keras 2 and 3 write them. */
import { GenieError } from "../../errors.ts";

/** A layer's configuration: JSON of unknown make. */
export type Config = Readonly<Record<string, unknown>>;

/** A layer where it is used; a layer that is used twice has the same weights in both places. */
export interface LayerCall {
  name: string;
  className: string;
  config: Config;
  /** Names of the layers whose outputs it reads. */
  inputs: string[];
}

export interface Topology {
  name: string;
  layers: LayerCall[];
  inputs: string[];
  outputs: string[];
}

/** More layers than any network has: a bound for hostile files. */
const MAX_LAYERS = 100_000;

/**
 * Reads `{class_name, config}` of a model.
 *
 * @throws GenieError `malformed-file`, `unsupported-operator` for subclassed and nested models and layers that are
 *   used more than once.
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
  const name = Array.isArray(config)
    ? "sequential"
    : text(record(config, "the model's config").name, "sequential");
  const entries = list(
    Array.isArray(config) ? config : record(config, "the model's config").layers,
    "layers",
  );
  const layers: LayerCall[] = [];
  for (const entry of entries) {
    const layer = readLayer(entry);
    const before = layers.at(-1);
    if (!before && layer.className !== "InputLayer") {
      // The first layer may say what goes in.
      layers.push({ name: `${layer.name}_input`, className: "InputLayer", config: layer.config, inputs: [] });
    }
    layers.push({ ...layer, inputs: layers.slice(-1).map((last) => last.name) });
  }
  return { name, layers, inputs: layers.slice(0, 1).map(nameOf), outputs: layers.slice(-1).map(nameOf) };
}

function readFunctional(config: Config): Topology {
  const layers = list(config.layers, "layers").map((entry): LayerCall => {
    const { inbound_nodes: nodes = [] } = record(entry, "a layer");
    const layer = readLayer(entry);
    const calls = list(nodes, `inbound_nodes of "${layer.name}"`);
    if (calls.length > 1) {
      throw new GenieError("unsupported-operator", `layer "${layer.name}" is used ${calls.length} times`);
    }
    return { ...layer, inputs: calls.flatMap(tensorsOf) };
  });
  return {
    name: text(config.name, "model"),
    layers,
    inputs: tensorsOf(config.input_layers),
    outputs: tensorsOf(config.output_layers),
  };
}

function readLayer(entry: unknown): Omit<LayerCall, "inputs"> {
  const { class_name: className, config, name } = record(entry, "a layer");
  const settings = record(config, "a layer's config");
  if (typeof className !== "string") throw malformed("a layer has no class_name");
  const ownName = text(name ?? settings.name, "");
  if (!ownName) throw malformed(`a layer of class ${className} has no name`);
  return { name: ownName, className, config: settings };
}

/**
 * The layers named in one call: Keras 2 writes [name, node index, tensor index, kwargs] or a list of these, Keras 3
 * {args: …} with tensors {class_name: "__keras_tensor__", config: {keras_history: [name, node, tensor]}}.
 */
function tensorsOf(value: unknown): string[] {
  if (Array.isArray(value)) {
    const isReference = typeof value[0] === "string" && (value.length === 1 || typeof value[1] === "number");
    return isReference ? [value[0]] : value.flatMap(tensorsOf);
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
  if (value.length > MAX_LAYERS) throw malformed(`${what} has ${value.length} entries`);
  return value;
}

function text(value: unknown, otherwise: string): string {
  return typeof value === "string" ? value : otherwise;
}

function malformed(why: string): GenieError {
  return new GenieError("malformed-file", `this is no Keras model: ${why}`);
}
