/** Sums and products of two values, or of a value and a constant. */
import { elementsPerImage } from "../../../../ir/shapeChecks.ts";
import { permute } from "../../permute.ts";
import type { GraphBuilder } from "../graphBuilder.ts";
import type { Operation } from "../operation.ts";
import { type Activation, memoryShape } from "../values.ts";
import type { Converter } from "./converter.ts";
import { nameOf } from "./layers.ts";

export const arithmetic: Record<string, Converter> = {
  Add: (operation, graph) => combine(operation, graph, "add"),
  Mul: (operation, graph) => combine(operation, graph, "multiply"),
  /** a − b = a + (−b) */
  Sub: (operation, graph) => {
    const [a, b] = operation.inputs;
    if (b?.kind === "constant") return combine(operation, graph, "add", (value) => -value);
    const negated = negate(operation, graph, operation.activation(1));
    if (a?.kind === "constant") return withConstant(operation, graph, "add", negated, 0);
    return ofTwo(operation, graph, "add", operation.activation(0), negated);
  },
  /** a / c = a · (1/c) */
  Div: (operation, graph) => {
    if (operation.inputs[1]?.kind !== "constant") {
      throw operation.unsupported("it divides by a value of the network; only constants are supported");
    }
    return combine(operation, graph, "multiply", (value) => 1 / value);
  },
  Neg: (operation, graph) => negate(operation, graph, operation.activation(0), null),
  /** Of any number of values, from left to right. */
  Sum: (operation, graph) => {
    let sum = operation.activation(0);
    for (let i = 1; i < operation.inputs.length; i++) {
      const isLast = i === operation.inputs.length - 1;
      sum = ofTwo(operation, graph, "add", sum, operation.activation(i), isLast ? undefined : `sum${i}`);
    }
    return sum;
  },
};

type BinaryOp = "add" | "multiply";

/** @param transform Applied to the constant, if there is one. */
function combine(
  operation: Operation,
  graph: GraphBuilder,
  op: BinaryOp,
  transform: (value: number) => number = (value) => value,
): Activation {
  const index = operation.inputs.findIndex((value) => value?.kind === "constant");
  if (index < 0) return ofTwo(operation, graph, op, operation.activation(0), operation.activation(1));
  return withConstant(operation, graph, op, operation.activation(1 - index), index, transform);
}

function ofTwo(
  operation: Operation,
  graph: GraphBuilder,
  op: BinaryOp,
  left: Activation,
  right: Activation,
  role?: string,
): Activation {
  if (left.shape.length !== right.shape.length) {
    throw operation.unsupported(`it combines values of shapes [${left.shape}] and [${right.shape}]`);
  }
  const isSame = left.shape.every((size, axis) => size === right.shape[axis]);
  const a = isSame ? graph.unexpanded(left) : left;
  const b = isSame && a === left ? graph.unexpanded(right) : right;
  // The smaller value (a squeeze-excite gate, say) is cheaper to move.
  const order = elementsPerImage(a.shape) >= elementsPerImage(b.shape) ? a.order : b.order;
  const inputs = [graph.reorder(a, order).name, graph.reorder(b, order).name];
  return graph.add(operation, { op, inputs }, order, role);
}

function withConstant(
  operation: Operation,
  graph: GraphBuilder,
  op: BinaryOp,
  x: Activation,
  index: number,
  transform: (value: number) => number = (value) => value,
): Activation {
  const { shape, data } = operation.floatConstant(index);
  const rank = x.shape.length;
  const extra = Math.max(0, shape.length - rank);
  if (shape.slice(0, extra).some((size) => size !== 1)) {
    throw operation.unsupported(`it combines [${x.shape}] with a constant of shape [${shape}]`);
  }
  const missing = Array<number>(Math.max(0, rank - shape.length)).fill(1);
  const aligned = [...missing, ...shape.slice(extra)];
  const memory = memoryShape(aligned, x.order);
  const lead = memory.findIndex((size) => size !== 1);
  const constant = graph.addConstant(
    nameOf(operation, index),
    lead < 0 ? [1] : memory.slice(lead),
    permute(data, aligned, x.order).map(transform),
  );
  return graph.add(operation, { op, inputs: [x.name, constant] }, x.order);
}

/** @param role As in `GraphBuilder.add`; null for the operation itself. */
function negate(
  operation: Operation,
  graph: GraphBuilder,
  x: Activation,
  role: string | null = "negative",
): Activation {
  const minusOne = graph.addConstant(`${operation.name}/minusOne`, [1], Float32Array.of(-1));
  return graph.add(operation, { op: "multiply", inputs: [x.name, minusOne] }, x.order, role ?? undefined);
}
