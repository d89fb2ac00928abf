/** Layers with weights. */
import type { Constant } from "../../ir/graph.ts";
import { permute } from "../graph/permute.ts";
import { activated } from "./activations.ts";
import type { LayerBuilder } from "./layerBuilder.ts";
import { paddingOf } from "./windows.ts";

/** What a layer becomes: the name of its output. */
export type Converter = (layer: LayerBuilder) => string;

/** A 1×1 convolution over all channels. */
const POINTWISE = {
  strides: [1, 1] as [number, number],
  dilations: [1, 1] as [number, number],
  padding: { top: 0, bottom: 0, left: 0, right: 0 },
  groups: 1,
};

const convolution: Converter = (layer) => {
  const groups = layer.number("groups", 1);
  const x = layer.image;
  const value = convolve(layer, x, imageFilter(layer, "kernel", 0), groups, bias(layer, 1));
  return finished(layer, value);
};

const depthwise: Converter = (layer) =>
  finished(layer, convolveDepthwise(layer, layer.image, depthwiseFilter(layer), bias(layer, 1)));

const separable: Converter = (layer) => {
  const inner = convolveDepthwise(layer, layer.image, depthwiseFilter(layer), undefined, "depthwise");
  const filter = layer.constant("pointwise_kernel", imageFilter(layer, "pointwise_kernel", 1));
  const addend = bias(layer, 2);
  return finished(
    layer,
    layer.add({ op: "conv2d", inputs: [inner, filter, ...addendOf(layer, addend)], ...POINTWISE }),
  );
};

export const layerConverters: Readonly<Record<string, Converter>> = {
  Conv1D: convolution,
  Conv2D: convolution,
  DepthwiseConv1D: depthwise,
  DepthwiseConv2D: depthwise,
  SeparableConv1D: separable,
  SeparableConv2D: separable,
  Conv1DTranspose: (layer) => finished(layer, convolveTransposed(layer)),
  Conv2DTranspose: (layer) => finished(layer, convolveTransposed(layer)),
  Dense(layer) {
    const kernel = layer.weight("kernel", 0, 2);
    const addend = bias(layer, 1);
    const isImage = layer.shapeOf(layer.input).length === 4;
    const value = isImage ? denseOverPixels(layer, kernel, addend) : dense(layer, kernel, addend);
    return activated(layer, value, layer.config.activation, "activation");
  },
  BatchNormalization(layer) {
    const { scale = true, center = true, axis = -1 } = layer.config;
    const last = layer.shapeOf(layer.input).length - 1;
    const axes: unknown[] = Array.isArray(axis) ? axis : [axis];
    if (axes.length !== 1 || (axes[0] !== -1 && axes[0] !== last)) {
      throw layer.unsupported(`normalization along axis ${JSON.stringify(axis)}; only the last is supported`);
    }
    // Order where the file names nothing: gamma and beta as far as there are any, then the statistics.
    const statistics = Number(Boolean(scale)) + Number(Boolean(center));
    const mean = layer.weight("moving_mean", statistics, 1);
    const flat = (value: number): Constant => ({
      shape: mean.shape,
      data: new Float32Array(mean.data.length).fill(value),
    });
    const parts: [string, Constant][] = [
      ["gamma", scale ? layer.weight("gamma", 0, 1) : flat(1)],
      ["beta", center ? layer.weight("beta", scale ? 1 : 0, 1) : flat(0)],
      ["moving_mean", mean],
      ["moving_variance", layer.weight("moving_variance", statistics + 1, 1)],
    ];
    return layer.add({
      op: "batchNorm",
      inputs: [layer.input, ...parts.map(([name, constant]) => layer.constant(name, constant))],
      epsilon: layer.number("epsilon", 1e-3),
    });
  },
};

function bias(layer: LayerBuilder, index: number): Constant | undefined {
  return (layer.config.use_bias ?? true) ? layer.weight("bias", index, 1) : undefined;
}

/** The bias as a further input of a node. */
function addendOf(layer: LayerBuilder, addend: Constant | undefined): string[] {
  return addend ? [layer.constant("bias", addend)] : [];
}

/** What an image's layer gives, after its activation. */
function finished(layer: LayerBuilder, image: string): string {
  return layer.fromImage(activated(layer, image, layer.config.activation, "activation"));
}

/** A filter [kH, kW, …]; that of a layer of sequences, [k, …], as one of height 1. */
function imageFilter(layer: LayerBuilder, names: string | readonly string[], index: number): Constant {
  const { shape, data } = layer.weight(names, index, layer.isSequential ? 3 : 4);
  return layer.isSequential ? { shape: [1, ...shape], data } : { shape, data };
}

function depthwiseFilter(layer: LayerBuilder): Constant {
  // Keras 3 calls that of DepthwiseConv2D "kernel".
  return imageFilter(layer, ["depthwise_kernel", "kernel"], 0);
}

/** How a convolution's filter [kH, kW, …] goes over x. */
function windowOf(layer: LayerBuilder, x: string, { shape: [rows, columns] }: Constant) {
  const strides = layer.pair("strides", [1, 1]);
  const dilations = layer.pair("dilation_rate", [1, 1]);
  const padding = paddingOf(layer, layer.shapeOf(x), [rows!, columns!], strides, dilations);
  return { strides, dilations, padding };
}

function convolve(
  layer: LayerBuilder,
  x: string,
  filter: Constant,
  groups: number,
  addend: Constant | undefined,
): string {
  return layer.add({
    op: "conv2d",
    inputs: [x, layer.constant("kernel", filter), ...addendOf(layer, addend)],
    ...windowOf(layer, x, filter),
    groups,
  });
}

function convolveDepthwise(
  layer: LayerBuilder,
  x: string,
  filter: Constant,
  addend: Constant | undefined,
  part?: string,
): string {
  return layer.add(
    {
      op: "depthwiseConv2d",
      inputs: [x, layer.constant("depthwise_kernel", filter), ...addendOf(layer, addend)],
      ...windowOf(layer, x, filter),
    },
    part,
  );
}

/**
 * The transpose of the convolution from the output's size to the input's with the same padding. Output rows, of a
 * kernel of k rows: "same" H·s, "valid" H·s + max(k − s, 0); and where the layer states its output_padding p,
 * (H − 1)·s + k + p, less 2·⌊k/2⌋ where "same".
 */
function convolveTransposed(layer: LayerBuilder): string {
  const x = layer.image;
  const strides = layer.pair("strides", [1, 1]);
  const dilations = layer.pair("dilation_rate", [1, 1]);
  if (dilations.some((rate) => rate !== 1)) throw layer.unsupported("it is transposed and dilated");
  const { shape, data } = imageFilter(layer, "kernel", 0);
  // Keras keeps what is written before what is read: [kH, kW, O, C].
  const [rows, columns, outputs, channels] = shape as [number, number, number, number];
  const filter = {
    shape: [rows, columns, channels, outputs],
    data: permute(data, shape, [0, 1, 3, 2]),
  };
  const kernel: [number, number] = [rows, columns];
  const stated = layer.config.output_padding ?? undefined;
  const extra = stated === undefined ? undefined : layer.pair("output_padding", [0, 0], 0);
  const [, height, width] = layer.shapeOf(x);
  const isSame = layer.config.padding === "same";
  const sizes = [height!, width!].map((size, axis) => {
    const [k, s] = [kernel[axis]!, strides[axis]!];
    if (!extra) return isSame ? size * s : size * s + Math.max(k - s, 0);
    return (size - 1) * s + k + extra[axis]! - (isSame ? 2 * Math.floor(k / 2) : 0);
  });
  const padding = paddingOf(layer, [-1, ...sizes, outputs], kernel, strides, dilations);
  const full = [height!, width!].map((size, axis) => (size - 1) * strides[axis]! + kernel[axis]!);
  const outputPadding: [number, number] = [
    sizes[0]! - full[0]! + padding.top + padding.bottom,
    sizes[1]! - full[1]! + padding.left + padding.right,
  ];
  return layer.add({
    op: "convTranspose2d",
    inputs: [x, layer.constant("kernel", filter), ...addendOf(layer, bias(layer, 1))],
    strides,
    dilations,
    padding,
    outputPadding,
    groups: 1,
  });
}

function dense(layer: LayerBuilder, kernel: Constant, addend: Constant | undefined): string {
  return layer.add({
    op: "dense",
    inputs: [layer.input, layer.constant("kernel", kernel), ...addendOf(layer, addend)],
  });
}

/** Along the last axis at every pixel of an image: a 1×1 convolution. */
function denseOverPixels(
  layer: LayerBuilder,
  { shape: [inputs, units], data }: Constant,
  addend: Constant | undefined,
): string {
  const filter = layer.constant("kernel", { shape: [1, 1, inputs!, units!], data });
  return layer.add({
    op: "conv2d",
    inputs: [layer.input, filter, ...addendOf(layer, addend)],
    ...POINTWISE,
  });
}
