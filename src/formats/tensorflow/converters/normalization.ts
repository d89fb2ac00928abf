/** Batch normalization, softmax and what else divides by a sum. */
import type { NetworkBuilder } from "../networkBuilder.ts";
import type { Operation } from "../operation.ts";
import type { Activation } from "../values.ts";
import { activate, applyFused } from "./activations.ts";
import type { Converter } from "./converter.ts";
import { image } from "./windows.ts";

export const normalization: Record<string, Converter> = {
  FusedBatchNorm: batchNorm,
  FusedBatchNormV2: batchNorm,
  FusedBatchNormV3: batchNorm,
  Softmax: (operation, graph) => {
    const x = withBeta(operation, graph);
    return graph.add(operation, { op: "softmax", inputs: [x.name], axis: lastAxis(operation, x) }, x.axes);
  },
  /** z − log Σ exp z, where z = x − max x */
  LogSoftmax: (operation, graph) => {
    const x = operation.activation(0);
    const axes = [lastAxis(operation, x)];
    const reduce = (value: Activation, kind: "max" | "sum") =>
      graph.add(operation, { op: "reduce", inputs: [value.name], kind, axes }, value.axes, kind);
    const subtract = (value: Activation, other: Activation, role?: string) =>
      graph.add(operation, { op: "subtract", inputs: [value.name, other.name] }, value.axes, role);
    const shifted = subtract(x, reduce(x, "max"), "shifted");
    const sum = reduce(activate(operation, graph, shifted, { kind: "exp" }, "exp"), "sum");
    return subtract(shifted, activate(operation, graph, sum, { kind: "log" }, "log"));
  },
  /** x / √max(Σ x², 1e-12) along the last axis */
  L2Normalization: (operation, graph) => {
    const x = operation.activation(0);
    const squared = graph.add(operation, { op: "multiply", inputs: [x.name, x.name] }, x.axes, "squared");
    const axes = [lastAxis(operation, x)];
    const sum = graph.add(
      operation,
      { op: "reduce", inputs: [squared.name], kind: "sum", axes },
      x.axes,
      "sum",
    );
    const bounded = activate(
      operation,
      graph,
      sum,
      { kind: "clip", min: 1e-12, max: Number.POSITIVE_INFINITY },
      "bounded",
    );
    const norm = activate(operation, graph, bounded, { kind: "sqrt" }, "norm");
    const value = graph.add(operation, { op: "divide", inputs: [x.name, norm.name] }, x.axes);
    return applyFused(operation, graph, value);
  },
};

function batchNorm(operation: Operation, graph: NetworkBuilder): Activation {
  const x = image(operation, graph);
  if (operation.flag("is_training"))
    throw operation.unsupported("it normalizes by the statistics of the batch");
  const parts = [1, 2, 3, 4].map((index) => {
    const { name, shape, data } = operation.floats(index);
    if (shape.length !== 1) throw operation.invalid(`its input ${index} has shape [${shape}]`);
    return graph.permuted(name, { shape, data }, [0]);
  });
  return graph.add(operation, {
    op: "batchNorm",
    inputs: [x.name, ...parts],
    epsilon: operation.number("epsilon", 1e-4),
  });
}

function withBeta(operation: Operation, graph: NetworkBuilder): Activation {
  const x = operation.activation(0);
  const beta = operation.number("beta", 1);
  if (beta === 1) return x;
  const factor = graph.constant(`${operation.name}/beta`, [1], "", () => Float32Array.of(beta));
  return graph.add(operation, { op: "multiply", inputs: [x.name, factor] }, x.axes, "scaled");
}

/** Where the file's last axis lies. */
function lastAxis(operation: Operation, { axes }: Activation): number {
  const axis = axes.at(-1);
  if (!axis) throw operation.unsupported("it normalizes over the batch");
  return axis;
}
