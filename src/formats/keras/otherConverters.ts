/** Layers without weights of their own to learn. */
import type { BinaryNode, Constant } from "../../ir/graph.ts";
import { elementsPerImage } from "../../ir/shapeChecks.ts";
import type { LayerBuilder } from "./layerBuilder.ts";
import type { Converter } from "./layerConverters.ts";

/** Nothing at inference. */
const identity: Converter = (layer) => {
  layer.passOverSettings();
  return layer.input;
};

export const otherConverters: Readonly<Record<string, Converter>> = {
  Dropout: identity,
  SpatialDropout2D: identity,
  GaussianDropout: identity,
  GaussianNoise: identity,
  SpatialDropout1D: identity,
  AlphaDropout: identity,
  RandomFlip: identity,
  RandomRotation: identity,
  RandomZoom: identity,
  RandomTranslation: identity,
  RandomContrast: identity,
  RandomBrightness: identity,
  ActivityRegularization: identity,
  Add: (layer) => fold(layer, "add"),
  Multiply: (layer) => fold(layer, "multiply"),
  Minimum: (layer) => fold(layer, "minimum"),
  Maximum: (layer) => fold(layer, "maximum"),
  Subtract: (layer) => {
    if (layer.inputs.length !== 2) throw layer.invalid(`it reads ${layer.inputs.length} values, and not two`);
    return fold(layer, "subtract");
  },
  /** (a + b + …) / n */
  Average: (layer) => {
    const share = layer.constant("share", { shape: [1], data: Float32Array.of(1 / layer.inputs.length) });
    return layer.add({ op: "multiply", inputs: [fold(layer, "add", "sum"), share] });
  },
  Concatenate: (layer) => {
    const rank = layer.shapeOf(layer.inputs[0] ?? layer.input).length;
    const axis = layer.number("axis", -1);
    return layer.add({ op: "concat", inputs: [...layer.inputs], axis: axis < 0 ? rank + axis : axis });
  },
  /** With channels_first it moves the axis behind the batch to the end first, whatever that axis is. */
  Flatten: (layer) => {
    const { length } = layer.shapeOf(layer.input);
    const isFirst = layer.config.data_format === "channels_first" && length > 2;
    const permutation = [0, ...Array.from({ length: length - 2 }, (_, i) => i + 2), 1];
    const x = isFirst
      ? layer.add({ op: "transpose", inputs: [layer.input], permutation }, "channelsFirst")
      : layer.input;
    const size = elementsPerImage(layer.shapeOf(x));
    return layer.add({ op: "reshape", inputs: [x], shape: [-1, size] });
  },
  Reshape: (layer) => {
    const written = layer.config.target_shape;
    // tfjs-layers writes null for the extent that follows from the others, Keras −1.
    const target = Array.isArray(written) ? written.map((extent) => extent ?? -1) : [];
    if (!Array.isArray(written) || !target.every(Number.isInteger)) {
      throw layer.invalid(`its target_shape is ${JSON.stringify(written)}`);
    }
    const size = elementsPerImage(layer.shapeOf(layer.input));
    const known = target.reduce(
      (product: number, extent: number) => (extent === -1 ? product : product * extent),
      1,
    );
    const shape = target.map((extent: number) => (extent === -1 ? size / known : extent));
    return layer.add({ op: "reshape", inputs: [layer.input], shape: [-1, ...shape] });
  },
  Permute: (layer) => {
    const { dims } = layer.config;
    if (!Array.isArray(dims) || !dims.every(Number.isInteger)) {
      throw layer.invalid(`its dims are ${JSON.stringify(dims)}`);
    }
    if (dims.every((axis, index) => axis === index + 1)) return layer.input;
    return layer.add({ op: "transpose", inputs: [layer.input], permutation: [0, ...dims] });
  },
  /** [N, F] → [N, n, F] */
  RepeatVector: (layer) => {
    const x = layer.input;
    const shape = layer.shapeOf(x);
    const count = layer.number("n", 0);
    if (shape.length !== 2) throw layer.invalid(`its input has the shape [${shape}], and is no vector`);
    if (!Number.isInteger(count) || count < 1) throw layer.invalid(`it repeats ${count} times`);
    const one = layer.add({ op: "reshape", inputs: [x], shape: [-1, 1, shape[1]!] }, "one");
    return layer.add({ op: "gather", inputs: [one], axis: 1, indices: Array<number>(count).fill(0) });
  },
  Rescaling: (layer) =>
    affine(layer, numbers(layer, layer.config.scale ?? 1), numbers(layer, layer.config.offset ?? 0)),
  Normalization: (layer) => {
    const last = layer.shapeOf(layer.input).length - 1;
    const axes = [layer.config.axis ?? []].flat();
    if (axes.length > 1 || axes.some((axis) => axis !== -1 && axis !== last)) {
      throw layer.unsupported(`statistics along axes [${axes}]; only the last is supported`);
    }
    const mean = statistic(layer, "mean", 0);
    const variance = statistic(layer, "variance", 1);
    // Keras: (x − mean) / max(√variance, 1e-7)
    const scale = variance.map((value) => 1 / Math.max(Math.sqrt(value), 1e-7));
    if (layer.config.invert) throw layer.unsupported("invert");
    const offset = mean.map((value, index) => -value * scale[index % scale.length]!);
    return affine(layer, scale, offset);
  },
};

/** a ∘ b ∘ c … */
function fold(layer: LayerBuilder, op: BinaryNode["op"], last?: string): string {
  const [first, ...others] = layer.inputs;
  if (!first || others.length === 0) throw layer.invalid(`it reads ${layer.inputs.length} values`);
  return others.reduce(
    (value, other, index) =>
      layer.add({ op, inputs: [value, other] }, index === others.length - 1 ? last : `partial_${index}`),
    first,
  );
}

/** x · scale + offset along the last axis. */
function affine(layer: LayerBuilder, scale: number[], offset: number[]): string {
  const constant = (values: number[]): Constant => ({
    shape: [values.length],
    data: Float32Array.from(values),
  });
  const scaled = layer.add(
    { op: "multiply", inputs: [layer.input, layer.constant("scale", constant(scale))] },
    "scaled",
  );
  return layer.add({ op: "add", inputs: [scaled, layer.constant("offset", constant(offset))] });
}

/** From the config, where it was given, or the weights, where it was adapted. */
function statistic(layer: LayerBuilder, name: "mean" | "variance", index: number): number[] {
  const given = layer.config[name];
  if (given !== undefined && given !== null) return numbers(layer, given);
  const channels = layer.shapeOf(layer.input).at(-1)!;
  const { data } = layer.weight(name, index, 1);
  if (data.length !== channels && data.length !== 1) {
    throw layer.unsupported("statistics along another axis than the last");
  }
  return [...data];
}

function numbers(layer: LayerBuilder, value: unknown): number[] {
  const values = (Array.isArray(value) ? value.flat(Number.POSITIVE_INFINITY) : [value]) as unknown[];
  const channels = layer.shapeOf(layer.input).at(-1)!;
  const isValid = values.every((item) => typeof item === "number") && [1, channels].includes(values.length);
  if (!isValid) throw layer.invalid(`${JSON.stringify(value)} is neither one number nor one a channel`);
  return values as number[];
}
