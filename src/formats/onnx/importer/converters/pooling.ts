/** Pooling. */
import type { NodeSpec } from "../../../graph/nodeSpec.ts";
import type { Converter } from "./converter.ts";
import { asImage, readKernel, readWindows } from "./windows.ts";

export const pooling: Record<string, Converter> = {
  MaxPool: (operation, graph) => {
    if (operation.outputs[1]) throw operation.unsupported("it also returns where the maxima are");
    const { image: given, restore } = asImage(operation, graph, operation.activation(0));
    const kernel = readKernel(operation);
    const { ceilPadding, padding, ...rest } = readWindows(operation, given.shape, kernel);
    const x = graph.channelsLast(given);
    const spec: NodeSpec = {
      op: "maxPool",
      inputs: [x.name],
      kernel,
      ...rest,
      padding: {
        ...padding,
        bottom: padding.bottom + ceilPadding[0],
        right: padding.right + ceilPadding[1],
      },
      countPadding: false,
    };
    return restore(graph.add(operation, spec, x.order));
  },

  AveragePool: (operation, graph) => {
    const { image: given, restore } = asImage(operation, graph, operation.activation(0));
    const kernel = readKernel(operation);
    const { ceilPadding, padding, ...rest } = readWindows(operation, given.shape, kernel);
    const [bottom, right] = ceilPadding;
    const isCounted = operation.int("count_include_pad", 0) !== 0;
    let x = graph.channelsLast(given);
    let pooled = { ...padding, bottom: padding.bottom + bottom, right: padding.right + right };
    if (isCounted && bottom + right > 0) {
      // The stated padding counts in the divisor, what ceil_mode adds does not: so the first becomes pixels.
      const { top, left } = padding;
      const spec: NodeSpec = {
        op: "pad",
        inputs: [x.name],
        before: [0, top, left, 0],
        after: [0, padding.bottom, padding.right, 0],
        mode: "constant",
        value: 0,
      };
      x = graph.add(operation, spec, x.order, "pad");
      pooled = { top: 0, left: 0, bottom, right };
    }
    const countPadding = isCounted && bottom + right === 0;
    const spec: NodeSpec = {
      op: "averagePool",
      inputs: [x.name],
      kernel,
      ...rest,
      padding: pooled,
      countPadding,
    };
    return restore(graph.add(operation, spec, x.order));
  },

  GlobalAveragePool: (operation, graph) => {
    const { image, restore } = asImage(operation, graph, operation.activation(0));
    const x = graph.channelsLast(image);
    return restore(graph.add(operation, { op: "globalAveragePool", inputs: [x.name] }, x.order));
  },

  GlobalMaxPool: (operation, graph) => {
    const { image: given, restore } = asImage(operation, graph, operation.activation(0));
    const x = graph.channelsLast(given);
    const spec: NodeSpec = {
      op: "maxPool",
      inputs: [x.name],
      kernel: [given.shape[2]!, given.shape[3]!],
      strides: [1, 1],
      dilations: [1, 1],
      padding: { top: 0, bottom: 0, left: 0, right: 0 },
      countPadding: false,
    };
    return restore(graph.add(operation, spec, x.order));
  },
};
