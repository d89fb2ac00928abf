/** Models inside models: their layers take the place of the layer that they are. */
import { GenieError } from "../../errors.ts";
import type { Budget } from "../budget.ts";
import {
  type Config,
  keywordThatMatters,
  type LayerCall,
  MODEL_CLASSES,
  nameOfOutput,
  readTopology,
  type Topology,
} from "./topology.ts";

/**
 * The topology of `{class_name, config}` without nested models. The layer "conv" of a nested model "backbone" is
 * called "backbone/conv".
 *
 * @throws GenieError as `readTopology`, and `unsupported-operator` for a nested model that is called in training.
 */
export function readFlatTopology(model: unknown, budget: Budget): Topology {
  const layers: LayerCall[] = [];
  // What stands for another value: a nested model's output for the layer that gives it, its input for what the model reads.
  const aliases = new Map<string, string>();
  const top = readTopology(model);
  flatten(top, { scope: "", path: [] }, layers, aliases, budget);
  const actual = (name: string): string => {
    let value = name;
    for (let steps = 0; aliases.has(value); steps++) {
      if (steps > aliases.size)
        throw new GenieError("invalid-model", `"${name}" stands for itself: a cycle of models`);
      value = aliases.get(value)!;
    }
    return value;
  };
  return {
    ...top,
    layers: layers.map((layer) => ({ ...layer, inputs: layer.inputs.map(actual) })),
    outputs: top.outputs.map(actual),
  };
}

/** @param outer Of the models around: the use's name and a slash, and the layers' names. */
function flatten(
  topology: Topology,
  outer: { scope: string; path: readonly string[] },
  layers: LayerCall[],
  aliases: Map<string, string>,
  budget: Budget,
): void {
  const inside = (name: string): string => outer.scope + name;
  for (const layer of topology.layers) {
    // A model that is used twice in a model that is used twice, …
    budget.spend("nodes", 1, "the model");
    const whole = {
      ...layer,
      name: inside(layer.name),
      path: [...outer.path, ...layer.path],
      inputs: layer.inputs.map(inside),
    };
    if (!MODEL_CLASSES.includes(layer.className)) {
      layers.push(whole);
      continue;
    }
    const inner = readTopology({ class_name: layer.className, config: layer.config });
    if (inner.inputs.length !== layer.inputs.length) {
      throw new GenieError(
        "invalid-model",
        `layer "${whole.name}" is a model of ${inner.inputs.length} inputs that reads ${layer.inputs.length} values`,
      );
    }
    const keyword = keywordThatMatters(layer);
    if (keyword !== undefined) {
      throw new GenieError("unsupported-operator", `layer "${whole.name}" is a model called with ${keyword}`);
    }
    const innerName = (name: string): string => `${whole.name}/${name}`;
    inner.outputs.forEach((name, index) => {
      aliases.set(nameOfOutput(whole.name, index), innerName(name));
    });
    inner.inputs.forEach((name, index) => {
      aliases.set(innerName(name), whole.inputs[index]!);
      const stated = inner.layers.find((layer) => layer.name === name)?.config;
      if (stated) tellShape(layers, sourceOf(whole.inputs[index]!, aliases), stated);
    });
    const isInput = new Set(inner.inputs);
    const rest = inner.layers.filter(({ name }) => !isInput.has(name));
    flatten(
      { ...inner, layers: rest },
      { scope: `${whole.name}/`, path: whole.path },
      layers,
      aliases,
      budget,
    );
  }
}

/** What a name stands for so far, through models within models. */
function sourceOf(name: string, aliases: ReadonlyMap<string, string>): string {
  let source = name;
  for (let steps = 0; steps <= aliases.size && aliases.has(source); steps++) source = aliases.get(source)!;
  return source;
}

/** An input that does not say its shape has that which the model inside says of its own: Teachable Machine writes so. */
function tellShape(layers: LayerCall[], input: string, stated: Config): void {
  const index = layers.findIndex(({ name, className }) => name === input && className === "InputLayer");
  const own = layers[index];
  if (!own || shapeIn(own.config) || !shapeIn(stated)) return;
  layers[index] = { ...own, config: { ...own.config, batch_input_shape: shapeIn(stated) } };
}

function shapeIn({ batch_input_shape: keras2, batch_shape: keras3 }: Config): unknown[] | undefined {
  const shape = keras2 ?? keras3;
  return Array.isArray(shape) && shape.length > 1 ? shape : undefined;
}
