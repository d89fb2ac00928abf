/** Convolutions. Filters are TensorFlow's, [kH, kW, I, O], or with the attribute `filter` in TFLite's orders. */
import type { NetworkBuilder } from "../networkBuilder.ts";
import type { Operation } from "../operation.ts";
import { type Activation, range } from "../values.ts";
import { applyFused } from "./activations.ts";
import type { Converter } from "./converter.ts";
import { image, paddingOf, pair } from "./windows.ts";

export const layers: Record<string, Converter> = {
  Conv2D: convolution,
  _FusedConv2D: convolution,
  DepthwiseConv2dNative: depthwise,
  FusedDepthwiseConv2dNative: depthwise,
  _FusedDepthwiseConv2dNative: depthwise,
  /** Inputs: the output's shape, the filter [kH, kW, O, I], x. */
  Conv2DBackpropInput: (operation, graph) => {
    const x = image(operation, graph, 2);
    const weights = filterOf(operation, "OHWI");
    const [rows, columns] = weights.shape as [number, number];
    // The filter as [kH, kW, I, O].
    const order = weights.layout === "OHWI" ? [1, 2, 3, 0] : [0, 1, 3, 2];
    const filter = graph.permuted(weights.name, weights, order);
    const sizes = weights.layout === "OHWI" ? weights.shape.slice(1, 3) : [rows, columns];
    const strides = pair(operation, "strides");
    const dilations = pair(operation, "dilations");
    const target = operation.integers(0);
    if (target.length !== 4) throw operation.invalid(`its output's shape is [${target}]`);
    const isSame = operation.text("padding", "VALID") === "SAME";
    const ends = [0, 1].map((i) => {
      const full = (x.memory[1 + i]! - 1) * strides[i]! + (sizes[i]! - 1) * dilations[i]! + 1;
      const cropped = Math.max(0, full - target[1 + i]!);
      const before = isSame ? Math.floor(cropped / 2) : 0;
      return { before, after: cropped - before, beyond: Math.max(0, target[1 + i]! - full) };
    });
    const [down, across] = ends as [(typeof ends)[0], (typeof ends)[0]];
    const value = graph.add(operation, {
      op: "convTranspose2d",
      inputs: [x.name, filter, ...biasOf(operation, graph, 3)],
      strides,
      dilations,
      padding: { top: down.before, bottom: down.after, left: across.before, right: across.after },
      outputPadding: [down.beyond, across.beyond],
      groups: 1,
    });
    return applyFused(operation, graph, value);
  },
};

function convolution(operation: Operation, graph: NetworkBuilder): Activation {
  const x = image(operation, graph);
  const weights = filterOf(operation, "OHWI");
  const order = weights.layout === "OHWI" ? [1, 2, 3, 0] : range(4);
  const [rows, columns, channels] = order.map((axis) => weights.shape[axis]!) as [number, number, number];
  const strides = pair(operation, "strides");
  const dilations = pair(operation, "dilations");
  const value = graph.add(operation, {
    op: "conv2d",
    inputs: [x.name, graph.permuted(weights.name, weights, order), ...biasOf(operation, graph, 2)],
    strides,
    dilations,
    padding: paddingOf(operation, x.memory, [rows, columns], strides, dilations),
    groups: x.memory[3]! / channels,
  });
  return applyFused(operation, graph, value);
}

/** The filter is [kH, kW, C, M]; TFLite's [1, kH, kW, C·M] lies in memory alike. */
function depthwise(operation: Operation, graph: NetworkBuilder): Activation {
  const x = image(operation, graph);
  const weights = filterOf(operation, "1HWO");
  const channels = x.memory[3]!;
  const [, height, width, outputs] = weights.shape as [number, number, number, number];
  const shape = weights.layout === "1HWO" ? [height, width, channels, outputs / channels] : weights.shape;
  if (weights.data.length !== shape.reduce((product, size) => product * size, 1)) {
    throw operation.invalid(`its filter [${weights.shape}] does not fit its input [${x.memory}]`);
  }
  const [rows, columns] = shape as [number, number];
  const strides = pair(operation, "strides");
  const dilations = pair(operation, "dilations");
  const value = graph.add(operation, {
    op: "depthwiseConv2d",
    inputs: [
      x.name,
      graph.permuted(weights.name, { shape, data: weights.data }, range(4)),
      ...biasOf(operation, graph, 2),
    ],
    strides,
    dilations,
    padding: paddingOf(operation, x.memory, [rows, columns], strides, dilations),
  });
  return applyFused(operation, graph, value);
}

/** @param other The order that a filter has where it is not TensorFlow's. */
function filterOf(operation: Operation, other: "OHWI" | "1HWO") {
  const filter = operation.floats(1);
  const layout = operation.text("filter", "HWIO");
  if (filter.shape.length !== 4 || (layout !== "HWIO" && layout !== other)) {
    throw operation.invalid(`its filter is ${layout} [${filter.shape}]`);
  }
  return { ...filter, layout };
}

/** The bias of an operator that has one fused to it, as a further input of the node. */
export function biasOf(operation: Operation, graph: NetworkBuilder, index: number): string[] {
  if (!operation.texts("fused_ops").includes("BiasAdd")) return [];
  const { name, data } = operation.floats(index);
  return [graph.permuted(name, { shape: [data.length], data }, [0])];
}
