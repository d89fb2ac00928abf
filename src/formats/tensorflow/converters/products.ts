/** Dense layers, and products of two values of the network. */

import type { NetworkBuilder } from "../networkBuilder.ts";
import type { Operation } from "../operation.ts";
import { type Activation, fileShape, isBatchless, range } from "../values.ts";
import { applyFused } from "./activations.ts";
import type { Converter } from "./converter.ts";
import { biasOf } from "./layers.ts";
import { reshapeTo } from "./reshape.ts";

export const products: Record<string, Converter> = {
  MatMul: (operation, graph) => multiply(operation, graph, "transpose_a", "transpose_b"),
  _FusedMatMul: (operation, graph) => multiply(operation, graph, "transpose_a", "transpose_b"),
  BatchMatMul: (operation, graph) => multiply(operation, graph, "adj_x", "adj_y"),
  BatchMatMulV2: (operation, graph) => multiply(operation, graph, "adj_x", "adj_y"),
  BatchMatMulV3: (operation, graph) => multiply(operation, graph, "adj_x", "adj_y"),
  /** TFLite's: the kernel is [O, I], and x is [−1, I] of whatever shape it has, unless `keep_num_dims`. */
  FullyConnected: (operation, graph) => {
    const { shape } = operation.constant(1);
    const given = operation.activation(0);
    const isKept = operation.flag("keep_num_dims") || given.axes.length === 2;
    const x = isKept ? given : reshapeTo(operation, graph, given, [-1, shape[1] ?? 0], "rows");
    return dense(operation, graph, x, true);
  },
};

function multiply(
  operation: Operation,
  graph: NetworkBuilder,
  adjointA: string,
  adjointB: string,
): Activation {
  const [a, b] = operation.inputs;
  if (b?.kind === "constant") {
    if (operation.flag(adjointA)) throw operation.unsupported("it transposes the batch");
    return dense(operation, graph, operation.activation(0), operation.flag(adjointB));
  }
  if (a?.kind === "constant") throw operation.unsupported("its first factor is constant");
  const [x, y] = [
    { value: operation.activation(0), isAdjoint: operation.flag(adjointA) },
    { value: operation.activation(1), isAdjoint: operation.flag(adjointB) },
  ].map(({ value, isAdjoint }) => {
    const { axes } = value;
    const swapped = isAdjoint ? [...axes.slice(0, -2), axes.at(-1)!, axes.at(-2)!] : axes;
    const settled = graph.settle({ ...value, axes: swapped });
    if (settled.axes.indexOf(0) > 0 || settled.memory.length < 3) {
      throw operation.unsupported(`it multiplies [${fileShape(value)}]: the batch must stay the first axis`);
    }
    return settled;
  });
  const axes = isBatchless(x!) && isBatchless(y!) ? x!.axes : range(x!.memory.length);
  return graph.add(operation, { op: "matMul", inputs: [x!.name, y!.name] }, axes);
}

/** @param isTransposed Whether the kernel is [O, I]. */
function dense(
  operation: Operation,
  graph: NetworkBuilder,
  given: Activation,
  isTransposed: boolean,
): Activation {
  const x = graph.settle(given);
  const { name, shape, data } = operation.floats(1);
  const matrix = shape.slice(-2);
  if (matrix.length !== 2 || shape.slice(0, -2).some((size) => size !== 1)) {
    throw operation.unsupported(`its constant factor has shape [${shape}]`);
  }
  if (x.axes.at(-1) === 0 || x.axes.length < Math.min(2, x.memory.length)) {
    throw operation.unsupported(`it multiplies [${fileShape(given)}], along the batch`);
  }
  const kernel = graph.permuted(name, { shape: matrix, data }, isTransposed ? [1, 0] : [0, 1]);
  const inputs = [x.name, kernel, ...biasOf(operation, graph, 2)];
  return applyFused(operation, graph, graph.add(operation, { op: "dense", inputs }, x.axes));
}
