/** Sums, means, maxima, minima and norms over axes. */

import type { GraphBuilder } from "../graphBuilder.ts";
import { isNoop } from "../noop.ts";
import type { Operation } from "../operation.ts";
import { type Activation, onnxOrder } from "../values.ts";
import { Composition } from "./composition.ts";
import type { Converter } from "./converter.ts";

export const reductions: Record<string, Converter> = {
  ReduceMean: reduction((compose, x, axes) => compose.reduce("mean", x, axes)),
  ReduceSum: reduction((compose, x, axes) => compose.reduce("sum", x, axes)),
  ReduceMax: reduction((compose, x, axes) => compose.reduce("max", x, axes)),
  ReduceMin: reduction((compose, x, axes) => compose.reduce("min", x, axes)),
  ReduceL1: reduction((compose, x, axes) => norm(compose, x, axes, 1)),
  ReduceL2: reduction((compose, x, axes) => norm(compose, x, axes, 2)),
  ReduceSumSquare: reduction((compose, x, axes) =>
    compose.reduce("sum", compose.two("multiply", x, x, "square"), axes),
  ),
  ReduceLogSum: reduction((compose, x, axes) =>
    compose.apply({ kind: "log" }, compose.reduce("sum", x, axes, "sum")),
  ),
  /** max + ln Σ exp(x − max) */
  ReduceLogSumExp: reduction((compose, x, axes) => {
    const most = compose.reduce("max", x, axes, "max");
    const powers = compose.apply({ kind: "exp" }, compose.two("subtract", x, most, "shifted"), "exp");
    const log = compose.apply({ kind: "log" }, compose.reduce("sum", powers, axes, "sum"), "log");
    return compose.two("add", log, most);
  }),
  /** x / ‖x‖ₚ along one axis. */
  LpNormalization: (operation, graph) => {
    const x = operation.activation(0);
    const axis = operation.axis(operation.int("axis", -1), x.shape.length);
    if (axis === 0) throw operation.unsupported("it normalizes over the batch");
    const p = operation.int("p", 2);
    if (p !== 1 && p !== 2) throw operation.invalid(`its norm is ${p}`);
    const compose = new Composition(operation, graph);
    return compose.two("divide", x, norm(compose, x, [axis], p, "norm"));
  },
};

type Reduce = (compose: Composition, x: Activation, axes: number[]) => Activation;

/** Axes are an attribute first and an input later; without any, all of them. The batch is not reduced. */
function reduction(reduce: Reduce): Converter {
  return (operation, graph) => {
    const x = operation.activation(0);
    const axes = axesOf(operation, x.shape.length);
    if (!axes) return x;
    if (axes.includes(0)) throw operation.unsupported("it reduces the batch");
    return dropped(operation, graph, reduce(new Composition(operation, graph), x, axes), axes);
  };
}

/** Undefined where none means that nothing is to be done. */
function axesOf(operation: Operation, rank: number): number[] | undefined {
  const stated = operation.ints("axes") ?? operation.optionalIntegers(1) ?? [];
  const isNothing = isNoop(operation) && stated.length === 0;
  if (isNothing) return undefined;
  if (stated.length > 0) return stated.map((axis) => operation.axis(axis, rank));
  return onnxOrder(rank).slice(operation.isBatchHidden ? 1 : 0);
}

function dropped(operation: Operation, graph: GraphBuilder, x: Activation, axes: number[]): Activation {
  if (operation.int("keepdims", 1) !== 0) return x;
  const shape = x.shape.filter((_, axis) => !axes.includes(axis));
  return graph.reshape(operation, x, shape, "shape");
}

/** ‖x‖ₚ */
function norm(compose: Composition, x: Activation, axes: number[], p: number, role?: string): Activation {
  if (p === 1) return compose.reduce("sum", compose.apply({ kind: "abs" }, x, "abs"), axes, role);
  const squares = compose.reduce("sum", compose.two("multiply", x, x, "square"), axes, "squares");
  return compose.apply({ kind: "sqrt" }, squares, role);
}
