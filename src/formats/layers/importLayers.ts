/** A Keras model, whatever file it comes from, as a Graph. */
import { GenieError } from "../../errors.ts";
import type { Graph } from "../../ir/graph.ts";
import { LayerBuilder } from "./layerBuilder.ts";
import { type Converter, layerConverters } from "./layerConverters.ts";
import { otherConverters } from "./otherConverters.ts";
import { type LayerCall, readTopology } from "./topology.ts";
import { MAX_WEIGHT_VALUES, type WeightSource } from "./weights.ts";

const CONVERTERS: ReadonlyMap<string, Converter> = new Map(
  Object.entries({ ...layerConverters, ...otherConverters }),
);

export interface ImportLayersOptions {
  /** The input's shape [N, H, W, C] where the file leaves it open. */
  inputShape?: number[] | undefined;
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
  { inputShape }: ImportLayersOptions = {},
): Graph {
  const topology = readTopology(model);
  const graph: Graph = { name: topology.name, inputs: [], outputs: [], nodes: [], constants: new Map() };
  const shapes = new Map<string, number[]>();
  // What each layer gives: nodes may be several for a layer, or none.
  const outputs = new Map<string, string>();
  let values = 0;
  for (const layer of inOrder(topology.layers)) {
    if (layer.className === "InputLayer") {
      const shape = readInputShape(layer, inputShape);
      graph.inputs.push({ name: layer.name, shape });
      shapes.set(layer.name, shape);
      outputs.set(layer.name, layer.name);
      continue;
    }
    const convert = CONVERTERS.get(layer.className);
    if (!convert) {
      throw new GenieError(
        "unsupported-operator",
        `layer "${layer.name}" is of class ${layer.className}, which is not supported; these are: ` +
          `InputLayer, ${[...CONVERTERS.keys()].join(", ")}`,
      );
    }
    const inputs = layer.inputs.map((name) => outputs.get(name)!);
    const weights = weightsOf(layer.name, layer.className);
    values += weights.reduce((sum, { data }) => sum + data.length, 0);
    if (values > MAX_WEIGHT_VALUES)
      throw new GenieError("malformed-file", "the model's weights are too large");
    outputs.set(layer.name, convert(new LayerBuilder(layer, inputs, graph, shapes, weights)));
  }
  graph.outputs = topology.outputs.map((name) => {
    const output = outputs.get(name);
    if (!output)
      throw new GenieError("malformed-file", `the model's output is "${name}", which is no layer of it`);
    return output;
  });
  return graph;
}

/** Each layer behind those that it reads. @throws GenieError `invalid-model` for a cycle or an unknown layer. */
function inOrder(layers: readonly LayerCall[]): LayerCall[] {
  const ordered = new Map<string, LayerCall>();
  let waiting = [...layers];
  while (waiting.length > 0) {
    const stuck: LayerCall[] = [];
    for (const layer of waiting) {
      if (layer.inputs.every((name) => ordered.has(name))) ordered.set(layer.name, layer);
      else stuck.push(layer);
    }
    if (stuck.length === waiting.length) {
      const [layer] = stuck;
      const missing = layer!.inputs.find((name) => !ordered.has(name));
      throw new GenieError(
        "invalid-model",
        `layer "${layer!.name}" reads "${missing}", which no layer before it gives`,
      );
    }
    waiting = stuck;
  }
  return [...ordered.values()];
}

function readInputShape({ name, config }: LayerCall, given: number[] | undefined): number[] {
  const own = config.batch_input_shape ?? config.batch_shape ?? given;
  const written =
    config.input_shape && Array.isArray(config.input_shape) ? [null, ...config.input_shape] : own;
  if (!Array.isArray(written)) {
    throw new GenieError(
      "dynamic-shape",
      `input "${name}" has no shape; give it with inputShape ([N, H, W, C])`,
    );
  }
  const shape = written.map((size, axis) => (axis === 0 ? -1 : (size ?? given?.[axis] ?? null)));
  if (!shape.every((size, axis) => axis === 0 || (Number.isInteger(size) && size > 0))) {
    throw new GenieError(
      "dynamic-shape",
      `input "${name}" has the shape [${written.map((size) => size ?? "?").join(", ")}]; ` +
        "give all of it with inputShape ([N, H, W, C])",
    );
  }
  return shape;
}
