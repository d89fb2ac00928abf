/** Layers with weights. */
import type { Constant } from "../../ir/graph.ts";
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

export const layerConverters: Readonly<Record<string, Converter>> = {
  Conv2D(layer) {
    const groups = layer.number("groups", 1);
    const value = convolve(layer, layer.input, layer.weight("kernel", 0, 4), groups, bias(layer, 1));
    return activated(layer, value, layer.config.activation, "activation");
  },
  DepthwiseConv2D(layer) {
    const value = convolveDepthwise(layer, layer.input, depthwiseFilter(layer), bias(layer, 1));
    return activated(layer, value, layer.config.activation, "activation");
  },
  SeparableConv2D(layer) {
    const depthwise = convolveDepthwise(layer, layer.input, depthwiseFilter(layer), undefined, "depthwise");
    const filter = layer.constant("pointwise_kernel", layer.weight("pointwise_kernel", 1, 4));
    const addend = bias(layer, 2);
    const value = layer.add({
      op: "conv2d",
      inputs: [depthwise, filter, ...addendOf(layer, addend)],
      ...POINTWISE,
    });
    return activated(layer, value, layer.config.activation, "activation");
  },
  Dense(layer) {
    const kernel = layer.weight("kernel", 0, 2);
    const addend = bias(layer, 1);
    const shape = layer.shapeOf(layer.input);
    const value =
      shape.length === 2 ? dense(layer, kernel, addend) : denseOverPixels(layer, kernel, addend, shape);
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

function depthwiseFilter(layer: LayerBuilder): Constant {
  // Keras 3 calls that of DepthwiseConv2D "kernel".
  return layer.weight(["depthwise_kernel", "kernel"], 0, 4);
}

function convolve(
  layer: LayerBuilder,
  x: string,
  filter: Constant,
  groups: number,
  addend: Constant | undefined,
): string {
  const strides = layer.pair("strides", [1, 1]);
  const dilations = layer.pair("dilation_rate", [1, 1]);
  const kernel: [number, number] = [filter.shape[0]!, filter.shape[1]!];
  return layer.add({
    op: "conv2d",
    inputs: [x, layer.constant("kernel", filter), ...addendOf(layer, addend)],
    strides,
    dilations,
    padding: paddingOf(layer, x, kernel, strides, dilations),
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
  const strides = layer.pair("strides", [1, 1]);
  const dilations = layer.pair("dilation_rate", [1, 1]);
  const kernel: [number, number] = [filter.shape[0]!, filter.shape[1]!];
  return layer.add(
    {
      op: "depthwiseConv2d",
      inputs: [x, layer.constant("depthwise_kernel", filter), ...addendOf(layer, addend)],
      strides,
      dilations,
      padding: paddingOf(layer, x, kernel, strides, dilations),
    },
    part,
  );
}

function dense(layer: LayerBuilder, kernel: Constant, addend: Constant | undefined): string {
  return layer.add({
    op: "dense",
    inputs: [layer.input, layer.constant("kernel", kernel), ...addendOf(layer, addend)],
  });
}

/** Along the last axis at every place: a 1×1 convolution over as many pixels. */
function denseOverPixels(
  layer: LayerBuilder,
  { shape: [inputs, units], data }: Constant,
  addend: Constant | undefined,
  shape: readonly number[],
): string {
  const isImage = shape.length === 4;
  const places = shape.slice(1, -1).reduce((product, size) => product * size, 1);
  const x = isImage
    ? layer.input
    : layer.add({ op: "reshape", inputs: [layer.input], shape: [-1, 1, places, inputs!] }, "pixels");
  const filter = layer.constant("kernel", { shape: [1, 1, inputs!, units!], data });
  const spec = {
    op: "conv2d" as const,
    inputs: [x, filter, ...addendOf(layer, addend)],
    ...POINTWISE,
  };
  if (isImage) return layer.add(spec);
  const y = layer.add(spec, "convolution");
  return layer.add({ op: "reshape", inputs: [y], shape: [-1, ...shape.slice(1, -1), units!] });
}
