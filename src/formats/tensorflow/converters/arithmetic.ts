/** Functions of two values, or of a value and a constant. */
import { alignValues, constantOperand } from "../broadcast.ts";
import type { NetworkBuilder } from "../networkBuilder.ts";
import type { Operation } from "../operation.ts";
import type { Activation } from "../values.ts";
import { activate, applyFused } from "./activations.ts";
import type { Converter } from "./converter.ts";

type Binary = "add" | "multiply" | "subtract" | "divide" | "maximum" | "minimum" | "power";

export const arithmetic: Record<string, Converter> = {
  Add: (operation, graph) => fused(operation, graph, "add"),
  AddV2: (operation, graph) => fused(operation, graph, "add"),
  BiasAdd: (operation, graph) => fused(operation, graph, "add"),
  Mul: (operation, graph) => fused(operation, graph, "multiply"),
  /** a − c = a + (−c) */
  Sub: (operation, graph) =>
    operation.inputs[1]?.kind === "constant"
      ? fused(operation, graph, "add", (value) => -value)
      : fused(operation, graph, "subtract"),
  /** a / c = a · (1/c) */
  RealDiv: (operation, graph) => divide(operation, graph),
  Div: (operation, graph) => divide(operation, graph),
  Pow: (operation, graph) => fused(operation, graph, "power"),
  Maximum: (operation, graph) => bound(operation, graph, "maximum"),
  Minimum: (operation, graph) => bound(operation, graph, "minimum"),
  SquaredDifference: (operation, graph) => {
    const difference = combine(operation, graph, "subtract", undefined, "difference");
    const inputs = [difference.name, difference.name];
    return graph.add(operation, { op: "multiply", inputs }, difference.axes);
  },
  /** Of any number of values, from left to right. */
  AddN: (operation, graph) => {
    let sum = operation.activation(0);
    for (let i = 1; i < operation.inputs.length; i++) {
      const { inputs, axes } = alignValues(operation, graph, sum, operation.activation(i));
      const role = i < operation.inputs.length - 1 ? `partial_${i}` : undefined;
      sum = graph.add(operation, { op: "add", inputs }, axes, role);
    }
    return sum;
  },
};

function divide(operation: Operation, graph: NetworkBuilder): Activation {
  return operation.inputs[1]?.kind === "constant"
    ? fused(operation, graph, "multiply", (value) => 1 / value)
    : fused(operation, graph, "divide");
}

/** A bound of one number is a clip, which the layer before it can take over. */
function bound(operation: Operation, graph: NetworkBuilder, op: "maximum" | "minimum"): Activation {
  const constants = operation.inputs.map((value) => value?.kind === "constant");
  const index = constants.indexOf(true);
  const data = index >= 0 ? operation.floats(index).data : undefined;
  if (data?.length !== 1) return fused(operation, graph, op);
  const [min, max] =
    op === "maximum" ? [data[0]!, Number.POSITIVE_INFINITY] : [Number.NEGATIVE_INFINITY, data[0]!];
  return activate(operation, graph, operation.activation(1 - index), { kind: "clip", min, max });
}

function fused(
  operation: Operation,
  graph: NetworkBuilder,
  op: Binary,
  change?: (value: number) => number,
): Activation {
  return applyFused(operation, graph, combine(operation, graph, op, change));
}

/** @param change Made to a constant operand, whose form it must not share with others. */
function combine(
  operation: Operation,
  graph: NetworkBuilder,
  op: Binary,
  change?: (value: number) => number,
  role?: string,
): Activation {
  const [first, second] = operation.inputs;
  const isFirst = first?.kind === "constant";
  if (!isFirst && second?.kind !== "constant") {
    const { inputs, axes } = alignValues(operation, graph, operation.activation(0), operation.activation(1));
    return graph.add(operation, { op, inputs }, axes, role);
  }
  const tensor = operation.floats(isFirst ? 0 : 1);
  const { name, data } = tensor;
  const changed = change
    ? { ...tensor, name: `${name}/${op === "add" ? "negated" : "inverse"}`, data: data.map(change) }
    : tensor;
  const { x, name: constant } = constantOperand(
    operation,
    graph,
    operation.activation(isFirst ? 1 : 0),
    changed,
  );
  const inputs = isFirst ? [constant, x.name] : [x.name, constant];
  return graph.add(operation, { op, inputs }, x.axes, role);
}
