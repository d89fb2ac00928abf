/** Layers without weights of their own to learn. */
import type { Constant } from "../../ir/graph.ts";
import { elementsPerImage } from "../../ir/shapeChecks.ts";
import { activated } from "./activations.ts";
import type { LayerBuilder } from "./layerBuilder.ts";
import type { Converter } from "./layerConverters.ts";
import { paddingOf, requireChannelsLast } from "./windows.ts";

/** Nothing at inference. */
const identity: Converter = (layer) => layer.input;

export const otherConverters: Readonly<Record<string, Converter>> = {
  Dropout: identity,
  SpatialDropout2D: identity,
  GaussianDropout: identity,
  GaussianNoise: identity,
  AlphaDropout: identity,
  ActivityRegularization: identity,
  Activation: (layer) => activated(layer, layer.input, layer.config.activation),
  Softmax: (layer) => {
    const rank = layer.shapeOf(layer.input).length;
    const axis = layer.number("axis", -1);
    if (axis !== -1 && axis !== rank - 1) throw layer.unsupported(`axis ${axis}; only the last is supported`);
    return layer.add({ op: "softmax", inputs: [layer.input], axis: rank - 1 });
  },
  ReLU: (layer) => {
    const slope = layer.number("negative_slope", 0);
    const max = layer.number("max_value", Number.POSITIVE_INFINITY);
    if (layer.number("threshold", 0) !== 0) throw layer.unsupported("a threshold other than 0");
    if (slope !== 0 && Number.isFinite(max))
      throw layer.unsupported("a max_value and a negative_slope together");
    if (slope !== 0) return layer.activate(layer.input, { kind: "leakyRelu", alpha: slope });
    return layer.activate(
      layer.input,
      Number.isFinite(max) ? { kind: "clip", min: 0, max } : { kind: "relu" },
    );
  },
  LeakyReLU: (layer) =>
    // Keras 2 calls it alpha.
    layer.activate(layer.input, {
      kind: "leakyRelu",
      alpha: layer.number("negative_slope", layer.number("alpha", 0.3)),
    }),
  Add: (layer) => fold(layer, "add"),
  Multiply: (layer) => fold(layer, "multiply"),
  Concatenate: (layer) => {
    const rank = layer.shapeOf(layer.inputs[0] ?? layer.input).length;
    const axis = layer.number("axis", -1);
    return layer.add({ op: "concat", inputs: [...layer.inputs], axis: axis < 0 ? rank + axis : axis });
  },
  MaxPooling2D: (layer) => pool(layer, "maxPool"),
  AveragePooling2D: (layer) => pool(layer, "averagePool"),
  GlobalAveragePooling2D: (layer) => {
    requireChannelsLast(layer);
    return squeezed(layer, (part) => layer.add({ op: "globalAveragePool", inputs: [layer.input] }, part));
  },
  GlobalMaxPooling2D: (layer) => {
    requireChannelsLast(layer);
    const [, height, width] = layer.shapeOf(layer.input);
    const kernel: [number, number] = [height!, width!];
    return squeezed(layer, (part) =>
      layer.add({ op: "maxPool", inputs: [layer.input], ...NO_PADDING, kernel, strides: kernel }, part),
    );
  },
  ZeroPadding2D: (layer) => {
    requireChannelsLast(layer);
    const [[top, bottom], [left, right]] = borders(layer);
    const before = [0, top, left, 0];
    const after = [0, bottom, right, 0];
    return layer.add({ op: "pad", inputs: [layer.input], before, after, mode: "constant", value: 0 });
  },
  UpSampling2D: (layer) => {
    requireChannelsLast(layer);
    const interpolation = layer.config.interpolation ?? "nearest";
    if (interpolation !== "nearest") {
      throw layer.unsupported(
        `interpolation ${JSON.stringify(interpolation)} is not supported; "nearest" is`,
      );
    }
    return layer.add({ op: "upsampleNearest", inputs: [layer.input], factors: layer.pair("size", [2, 2]) });
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
  Rescaling: (layer) =>
    affine(layer, numbers(layer, layer.config.scale ?? 1), numbers(layer, layer.config.offset ?? 0)),
  Normalization: (layer) => {
    const mean = statistic(layer, "mean", 0);
    const variance = statistic(layer, "variance", 1);
    // Keras: (x − mean) / max(√variance, 1e-7)
    const scale = variance.map((value) => 1 / Math.max(Math.sqrt(value), 1e-7));
    if (layer.config.invert) throw layer.unsupported("invert");
    const offset = mean.map((value, index) => -value * scale[index % scale.length]!);
    return affine(layer, scale, offset);
  },
};

const NO_PADDING = {
  dilations: [1, 1] as [number, number],
  padding: { top: 0, bottom: 0, left: 0, right: 0 },
  countPadding: false,
};

/** a ∘ b ∘ c … */
function fold(layer: LayerBuilder, op: "add" | "multiply"): string {
  const [first, ...others] = layer.inputs;
  if (!first || others.length === 0) throw layer.invalid(`it reads ${layer.inputs.length} values`);
  return others.reduce(
    (value, other, index) =>
      layer.add({ op, inputs: [value, other] }, index === others.length - 1 ? undefined : `partial_${index}`),
    first,
  );
}

function pool(layer: LayerBuilder, op: "maxPool" | "averagePool"): string {
  const kernel = layer.pair("pool_size", [2, 2]);
  const strides = layer.pair("strides", kernel);
  const padding = paddingOf(layer, layer.input, kernel, strides, [1, 1]);
  return layer.add({ op, inputs: [layer.input], ...NO_PADDING, kernel, strides, padding });
}

/** A pooled image [N, 1, 1, C] as [N, C], unless its dimensions are to be kept. */
function squeezed(layer: LayerBuilder, pooled: (part?: string) => string): string {
  if (layer.config.keepdims) return pooled();
  const channels = layer.shapeOf(layer.input).at(-1)!;
  return layer.add({ op: "reshape", inputs: [pooled("pool")], shape: [-1, channels] });
}

/** n, [rows, columns] or [[top, bottom], [left, right]]. */
function borders(layer: LayerBuilder): [[number, number], [number, number]] {
  const { padding = 1 } = layer.config;
  const axes: unknown[] = Array.isArray(padding) ? padding : [padding, padding];
  const both = axes.map((axis) => (Array.isArray(axis) ? axis : [axis, axis]));
  const isValid =
    both.length === 2 &&
    both.every((ends) => ends.length === 2 && ends.every((n) => Number.isInteger(n) && n >= 0));
  if (!isValid) throw layer.invalid(`its padding is ${JSON.stringify(padding)}`);
  return both as [[number, number], [number, number]];
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
