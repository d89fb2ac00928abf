/** Pooling and means over the image. */
import type { NodeSpec } from "../graphBuilder.ts";
import { type Activation, onnxOrder } from "../values.ts";
import type { Converter } from "./converter.ts";
import { checkImage, readKernel, readWindows } from "./windows.ts";

export const pooling: Record<string, Converter> = {
  MaxPool: (operation, graph) => {
    if (operation.outputs[1]) throw operation.unsupported("it also returns where the maxima are");
    const given = operation.activation(0);
    checkImage(operation, given);
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
    return graph.add(operation, spec, x.order);
  },

  AveragePool: (operation, graph) => {
    const given = operation.activation(0);
    checkImage(operation, given);
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
    return graph.add(
      operation,
      { op: "averagePool", inputs: [x.name], kernel, ...rest, padding: pooled, countPadding },
      x.order,
    );
  },

  GlobalAveragePool: (operation, graph) => {
    const x = operation.activation(0);
    checkImage(operation, x);
    const image = graph.channelsLast(x);
    return graph.add(operation, { op: "globalAveragePool", inputs: [image.name] }, image.order);
  },

  GlobalMaxPool: (operation, graph) => {
    const given = operation.activation(0);
    checkImage(operation, given);
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
    return graph.add(operation, spec, x.order);
  },

  /** Over any axes but the batch: with these axes in front, it is the mean over an image. */
  ReduceMean: (operation, graph) => {
    const given = operation.activation(0);
    const rank = given.shape.length;
    const stated = operation.ints("axes") ?? operation.optionalIntegers(1) ?? [];
    if (stated.length === 0 && operation.int("noop_with_empty_axes", 0) !== 0) return given;
    const axes = stated.length === 0 ? onnxOrder(rank) : stated.map((axis) => operation.axis(axis, rank));
    if (axes.includes(0)) throw operation.unsupported("it averages over the batch");
    const kept = given.shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
    const result = operation.int("keepdims", 1) !== 0 ? kept : kept.filter((_, i) => !axes.includes(i));

    const inMemory = given.order.filter((axis) => axes.includes(axis));
    const others = given.order.filter((axis) => axis !== 0 && !axes.includes(axis));
    const x = graph.reorder(given, [0, ...inMemory, ...others]);
    const isImage = rank === 4 && inMemory.length === 2;
    const size = (list: number[]) => list.reduce((product, axis) => product * given.shape[axis]!, 1);
    const image: Activation = isImage
      ? x
      : graph.view(operation, x, [-1, size(inMemory), 1, size(others)], onnxOrder(4), "image");
    const mean = graph.add(operation, { op: "globalAveragePool", inputs: [image.name] }, image.order);
    // Of `kept`, the sequence in memory is that of the other axes.
    const averaged = isImage ? mean : graph.view(operation, mean, kept, x.order, "shape");
    return graph.reshape(operation, averaged, result, "shape");
  },
};
