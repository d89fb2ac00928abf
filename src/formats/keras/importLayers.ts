/** A Keras model, whatever file it comes from, as a Graph. */
import { GenieError, OpenShapeError } from "../../errors.ts";
import type { Graph } from "../../ir/graph.ts";
import { removeDead } from "../../ir/rewrite.ts";
import { Budget } from "../budget.ts";
import { activationConverters } from "./activationConverters.ts";
import { croppingConverters } from "./croppingConverters.ts";
import { LayerBuilder } from "./layerBuilder.ts";
import { type Converter, layerConverters } from "./layerConverters.ts";
import { readFlatTopology } from "./nested.ts";
import { normalizationConverters } from "./normalizationConverters.ts";
import { otherConverters } from "./otherConverters.ts";
import { samplingConverters } from "./samplingConverters.ts";
import { type LayerCall, record } from "./topology.ts";
import type { WeightSource } from "./weights.ts";

const CONVERTERS: ReadonlyMap<string, Converter> = new Map(
  Object.entries({
    ...layerConverters,
    ...activationConverters,
    ...normalizationConverters,
    ...samplingConverters,
    ...croppingConverters,
    ...otherConverters,
  }),
);

const RECURRENT: ReadonlySet<string> = new Set([
  "LSTM",
  "GRU",
  "SimpleRNN",
  "RNN",
  "Bidirectional",
  "ConvLSTM2D",
  "CuDNNLSTM",
  "CuDNNGRU",
]);

export interface ImportLayersOptions {
  /** The input's shape [N, H, W, C] where the file leaves it open. */
  inputShape?: number[] | undefined;
  /** The version of Keras that wrote the model. */
  kerasVersion?: unknown;
  /** What reading may cost; default: a budget of its own. */
  budget?: Budget | undefined;
}

/**
 * Turns the layers into nodes, each named for its layer.
 *
 * @param model `{class_name, config}` as Keras writes it.
 * @throws GenieError `unsupported-operator` naming the layer and what is supported, `dynamic-shape`,
 *   `malformed-file`, `invalid-model`.
 */
export function importLayers(
  model: unknown,
  weightsOf: WeightSource,
  { inputShape, kerasVersion, budget = new Budget() }: ImportLayersOptions = {},
): Graph {
  const topology = readFlatTopology(model, budget);
  const graph: Graph = { name: topology.name, inputs: [], outputs: [], nodes: [], constants: new Map() };
  const shapes = new Map<string, number[]>();
  const version = String(kerasVersion);
  const target = {
    graph,
    shapes,
    isKeras3: /^3\./.test(version),
    isTfjs: version.startsWith("tfjs-layers"),
    rows: new Map<string, string>(),
  };
  // What each layer gives: nodes may be several for a layer, or none.
  const outputs = new Map<string, string>();
  let values = 0;
  for (const call of inOrder(topology.layers)) {
    const layer = withoutSteps(call);
    if (layer.className === "InputLayer") {
      const shape = readInputShape(layer, inputShape);
      graph.inputs.push({ name: layer.name, shape });
      shapes.set(layer.name, shape);
      outputs.set(layer.name, layer.name);
      continue;
    }
    if (layer.className === "Lambda") {
      throw new GenieError(
        "unsupported-operator",
        `layer "${layer.name}" is a Lambda, whose Python code nothing but Python can run: ` +
          "say it with layers that Keras has (Rescaling, Activation, …), or export the model to ONNX",
      );
    }
    if (RECURRENT.has(layer.className)) {
      throw new GenieError(
        "unsupported-operator",
        `layer "${layer.name}" is a recurrent layer (${layer.className}), which is not supported; ` +
          "a model exported to ONNX is quantized up to it",
      );
    }
    const convert = CONVERTERS.get(layer.className);
    if (!convert) {
      throw new GenieError(
        "unsupported-operator",
        `layer "${layer.name}" is of class ${layer.className}, which is not supported; these are: ` +
          `InputLayer, ${[...CONVERTERS.keys()].join(", ")}, TimeDistributed`,
      );
    }
    const inputs = layer.inputs.map((name) => outputs.get(name)!);
    const weights = () => {
      const read = weightsOf(layer);
      values += read.reduce((sum, { data }) => sum + data.length, 0);
      if (values > budget.limits.values) throw budget.exceeded("values", "the model");
      return read;
    };
    const builder = new LayerBuilder(layer, inputs, target, weights);
    outputs.set(layer.name, convert(builder));
    builder.requireHeeded();
  }
  graph.outputs = topology.outputs.map((name) => {
    const output = outputs.get(name);
    if (!output)
      throw new GenieError("malformed-file", `the model's output is "${name}", which is no layer of it`);
    return output;
  });
  // Sequences are rows of pixels only between the layers that read them so.
  return removeDead(graph);
}

/** Layers that do the same to every vector of a sequence as to one alone. */
const STEPWISE: readonly unknown[] = [
  ...["Dense", "Activation", "Dropout", "ReLU", "LeakyReLU", "ELU", "ThresholdedReLU"],
];

/** A layer that another one applies to each step of its input, where all steps at once are the same to it. */
function withoutSteps(call: LayerCall): LayerCall {
  if (call.className !== "TimeDistributed") return call;
  const { class_name: className, config } = record(call.config.layer, `the layer inside "${call.name}"`);
  if (!STEPWISE.includes(className)) {
    throw new GenieError(
      "unsupported-operator",
      `layer "${call.name}" is a TimeDistributed of ${JSON.stringify(className)}; ` +
        `of these it is supported: ${STEPWISE.join(", ")}`,
    );
  }
  const settings = record(config, `the config of the layer inside "${call.name}"`);
  return { ...call, className: String(className), config: settings };
}

/**
 * Each layer behind those that it reads, else in the file's order.
 *
 * @throws GenieError `invalid-model` for a cycle, an unknown layer, or two of one name.
 */
function inOrder(layers: readonly LayerCall[]): LayerCall[] {
  const byName = new Map(layers.map((layer) => [layer.name, layer]));
  if (byName.size !== layers.length) throw new GenieError("invalid-model", "two layers have the same name");
  const ordered = new Set<LayerCall>();
  const waiting = new Set<LayerCall>();
  for (const first of layers) {
    const stack = [first];
    while (stack.length > 0) {
      const layer = stack.at(-1)!;
      const missing = layer.inputs.find((name) => !ordered.has(byName.get(name)!));
      if (missing === undefined) {
        ordered.add(layer);
        stack.pop();
        continue;
      }
      const before = byName.get(missing);
      waiting.add(layer);
      if (!before || waiting.has(before)) {
        const why = before ? "which depends on it: a cycle" : "which is no layer of the model";
        throw new GenieError("invalid-model", `layer "${layer.name}" reads "${missing}", ${why}`);
      }
      stack.push(before);
    }
  }
  return [...ordered];
}

/** Keras 2 writes batch_input_shape, Keras 3 batch_shape; sizes that they leave open are `given`. */
function readInputShape({ name, config }: LayerCall, given: number[] | undefined): number[] {
  const written = config.batch_input_shape ?? config.batch_shape ?? given;
  const sizes: unknown[] = Array.isArray(written) ? written : [];
  const shape = sizes.map((size, axis) => {
    const known = axis === 0 ? -1 : (size ?? given?.[axis]);
    return Number.isSafeInteger(known) && (axis === 0 || (known as number) > 0)
      ? (known as number)
      : undefined;
  });
  if (shape.length < 2 || !shape.every((size) => size !== undefined)) {
    throw new OpenShapeError(
      `input "${name}" has the shape [${sizes.map((size) => size ?? "?").join(", ")}]; ` +
        "give all of it, --input-shape or inputShape, as [N, H, W, C]",
      shape,
    );
  }
  return shape;
}
