/** Layers that normalize by what the values themselves are. */
import type { Constant } from "../../ir/graph.ts";
import type { LayerBuilder } from "./layerBuilder.ts";
import type { Converter } from "./layerConverters.ts";

export const normalizationConverters: Readonly<Record<string, Converter>> = {
  /** (x − mean) / √(variance + epsilon) · gamma + beta, over the axes whose shape gamma and beta have. */
  LayerNormalization: (layer) => {
    const x = layer.input;
    const axes = axesOf(layer, -1);
    return scaled(layer, standardized(layer, x, axes), (weight) =>
      spread(weight, axes, layer.shapeOf(x).length),
    );
  },
  /** Channels in `groups`, of which each image has each standardized on its own; −1 for one channel a group. */
  GroupNormalization: (layer) => {
    const x = layer.input;
    const shape = layer.shapeOf(x);
    const channels = shape.at(-1)!;
    requireLast(layer, axesOf(layer, -1), shape.length);
    const wanted = layer.number("groups", 32);
    const groups = wanted === -1 ? channels : wanted;
    if (!(groups >= 1) || channels % groups !== 0) {
      throw layer.invalid(`its ${channels} channels do not divide into ${groups} groups`);
    }
    const places = shape.slice(1, -1).reduce((product, size) => product * size, 1);
    const split = layer.add(
      { op: "reshape", inputs: [x], shape: [-1, places, groups, channels / groups] },
      "groups",
    );
    const y = standardized(layer, split, [1, 3]);
    const joined = layer.add({ op: "reshape", inputs: [y], shape: [-1, ...shape.slice(1)] }, "channels");
    return scaled(layer, joined, (weight) => weight);
  },
  /** x / √max(Σ x², 1e-12) */
  UnitNormalization: (layer) => {
    const x = layer.input;
    const axes = axesOf(layer, -1);
    const square = layer.add({ op: "multiply", inputs: [x, x] }, "square");
    const sum = layer.add({ op: "reduce", kind: "sum", inputs: [square], axes }, "sum");
    const least = layer.constant("least", { shape: [1], data: Float32Array.of(1e-12) });
    const bounded = layer.add({ op: "maximum", inputs: [sum, least] }, "bounded");
    const length = layer.activate(bounded, { kind: "sqrt" }, "length");
    return layer.add({ op: "divide", inputs: [x, length] });
  },
};

/** The axes that the layer names, ascending. @throws GenieError for the batch, for others and for another order. */
function axesOf(layer: LayerBuilder, otherwise: number): number[] {
  const { axis = otherwise } = layer.config;
  const rank = layer.shapeOf(layer.input).length;
  const axes = (Array.isArray(axis) ? axis : [axis]).map((value) => (value < 0 ? rank + value : value));
  const isValid = axes.every(
    (value, index) => Number.isInteger(value) && value < rank && value > (axes[index - 1] ?? 0),
  );
  if (!isValid || axes.length === 0)
    throw layer.unsupported(`normalization along axis ${JSON.stringify(axis)}`);
  return axes;
}

function requireLast(layer: LayerBuilder, axes: readonly number[], rank: number): void {
  if (axes.length !== 1 || axes[0] !== rank - 1) {
    throw layer.unsupported(`normalization along axes [${axes}]; only the last is supported`);
  }
}

/** (x − mean) / √(variance + epsilon), both over `axes`. */
function standardized(layer: LayerBuilder, x: string, axes: number[]): string {
  const mean = layer.add({ op: "reduce", kind: "mean", inputs: [x], axes }, "mean");
  const difference = layer.add({ op: "subtract", inputs: [x, mean] }, "difference");
  const square = layer.add({ op: "multiply", inputs: [difference, difference] }, "square");
  const variance = layer.add({ op: "reduce", kind: "mean", inputs: [square], axes }, "variance");
  const epsilon = { shape: [1], data: Float32Array.of(layer.number("epsilon", 1e-3)) };
  const raised = layer.add({ op: "add", inputs: [variance, layer.constant("epsilon", epsilon)] }, "raised");
  const deviation = layer.activate(raised, { kind: "sqrt" }, "deviation");
  return layer.add({ op: "divide", inputs: [difference, deviation] }, "normal");
}

/** y · gamma + beta, as far as there are any. */
function scaled(layer: LayerBuilder, y: string, shaped: (weight: Constant) => Constant): string {
  const { scale = true, center = true, axis } = layer.config;
  const rank = Array.isArray(axis) ? axis.length : 1;
  const constant = (name: string, index: number) =>
    layer.constant(name, shaped(layer.weight(name, index, rank)));
  const product = scale
    ? layer.add({ op: "multiply", inputs: [y, constant("gamma", 0)] }, center ? "scaled" : undefined)
    : y;
  if (!center) return product;
  return layer.add({ op: "add", inputs: [product, constant("beta", scale ? 1 : 0)] });
}

/** A weight with a size for each of `axes`, as one that broadcasts. */
function spread({ shape, data }: Constant, axes: readonly number[], rank: number): Constant {
  const sizes = Array.from({ length: rank - 1 }, (_, index) => shape[axes.indexOf(index + 1)] ?? 1);
  return { shape: sizes, data };
}
