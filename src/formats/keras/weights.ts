/** The weights of a Keras model, wherever they are kept. */
import { GenieError } from "../../errors.ts";
import type { Constant } from "../../ir/graph.ts";
import type { Budget } from "../budget.ts";
import type { LayerCall } from "./topology.ts";

/** A layer's weights in the order in which Keras keeps them; `name` is "kernel", "gamma", … where the file tells. */
export interface LayerWeight extends Constant {
  name?: string | undefined;
}

/** The weights of a layer; empty if it has none. */
export type WeightSource = (layer: LayerCall) => readonly LayerWeight[];

/** Elements of a shape. @throws GenieError `malformed-file` for a shape that is none, `limit-exceeded`. */
export function elementsOf(shape: unknown, name: string, budget: Budget): number {
  const isShape = Array.isArray(shape) && shape.every((size) => Number.isInteger(size) && size >= 0);
  const elements = isShape ? shape.reduce((product, size) => product * size, 1) : Number.NaN;
  if (Number.isNaN(elements)) throw new GenieError("malformed-file", `weight "${name}" has no shape`);
  if (elements > budget.limits.values) throw budget.exceeded("values", `weight "${name}"`);
  return elements;
}
