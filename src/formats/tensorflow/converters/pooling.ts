/** Pooling over windows, and reductions over whole axes. */
import type { NetworkBuilder } from "../networkBuilder.ts";
import type { Operation } from "../operation.ts";
import { type Activation, fileShape } from "../values.ts";
import { applyFused } from "./activations.ts";
import type { Converter } from "./converter.ts";
import { image, NO_PADDING, paddingOf, pair } from "./windows.ts";

export const pooling: Record<string, Converter> = {
  MaxPool: (operation, graph) => pool(operation, graph, "maxPool"),
  MaxPoolV2: (operation, graph) => pool(operation, graph, "maxPool"),
  AvgPool: (operation, graph) => pool(operation, graph, "averagePool"),
  Mean: (operation, graph) => reduce(operation, graph, "mean"),
  Sum: (operation, graph) => reduce(operation, graph, "sum"),
  Max: (operation, graph) => reduce(operation, graph, "max"),
  Min: (operation, graph) => reduce(operation, graph, "min"),
};

function pool(operation: Operation, graph: NetworkBuilder, op: "maxPool" | "averagePool"): Activation {
  const x = image(operation, graph);
  const kernel = pair(operation, "ksize");
  const strides = pair(operation, "strides");
  const value = graph.add(operation, {
    op,
    inputs: [x.name],
    kernel,
    strides,
    dilations: [1, 1],
    padding: paddingOf(operation, x.memory, kernel, strides, [1, 1]),
    countPadding: false,
  });
  return applyFused(operation, graph, value);
}

/** Means and maxima of whole images are the pooling that they are. */
function reduce(
  operation: Operation,
  graph: NetworkBuilder,
  kind: "mean" | "sum" | "max" | "min",
): Activation {
  const x = operation.activation(0);
  const rank = x.axes.length;
  const named = [...new Set(operation.integers(1).map((axis) => operation.axis(axis, rank)))];
  const axes = named.map((axis) => x.axes[axis]!).toSorted((a, b) => a - b);
  if (axes[0] === 0) throw operation.unsupported(`it reduces the batch of [${fileShape(x)}]`);
  if (axes.length === 0) return x;
  const isImage = x.memory.length === 4 && axes.join() === "1,2";
  const isKept = operation.flag("keep_dims");
  const role = isKept ? undefined : kind;
  const [, height, width] = x.memory as [number, number, number];
  const inputs = [x.name];
  const kernel: [number, number] = [height, width];
  const reduced =
    isImage && kind === "mean"
      ? graph.add(operation, { op: "globalAveragePool", inputs }, x.axes, role)
      : isImage && kind === "max"
        ? graph.add(
            operation,
            {
              op: "maxPool",
              inputs,
              kernel,
              strides: kernel,
              dilations: [1, 1],
              padding: NO_PADDING,
              countPadding: false,
            },
            x.axes,
            role,
          )
        : graph.add(operation, { op: "reduce", inputs, kind, axes }, x.axes, role);
  return isKept ? reduced : graph.dropAxes(operation, reduced, named);
}
