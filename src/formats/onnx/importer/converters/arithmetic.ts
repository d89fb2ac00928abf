/** Functions of two or more values, constants among them. */
import type { BinaryNode } from "../../../../ir/graph.ts";
import type { GraphBuilder } from "../graphBuilder.ts";
import type { Operation } from "../operation.ts";
import { elementCount } from "../tensors.ts";
import type { Activation } from "../values.ts";
import { FLOAT_MAX } from "./bounds.ts";
import { Composition } from "./composition.ts";
import type { Converter } from "./converter.ts";
import { nameOf } from "./layers.ts";

type BinaryOp = BinaryNode["op"];

export const arithmetic: Record<string, Converter> = {
  Add: (operation, graph) => combine(operation, graph, "add"),
  Mul: (operation, graph) => combine(operation, graph, "multiply"),
  /** a − c = a + (−c) */
  Sub: (operation, graph) =>
    operation.inputs[1]?.kind === "constant"
      ? combine(operation, graph, "add", (value) => -value)
      : combine(operation, graph, "subtract"),
  /** a / c = a · (1/c) */
  Div: (operation, graph) =>
    operation.inputs[1]?.kind === "constant"
      ? combine(operation, graph, "multiply", (value) => 1 / value)
      : combine(operation, graph, "divide"),
  Neg: (operation, graph) =>
    new Composition(operation, graph).number("multiply", operation.activation(0), -1),
  Pow: (operation, graph) => power(operation, graph),
  /** Of any number of values, from left to right. */
  Sum: (operation, graph) => fold(operation, graph, "add"),
  Mean: (operation, graph) => {
    const sum = fold(operation, graph, "add", "sum");
    return new Composition(operation, graph).number("multiply", sum, 1 / operation.inputs.length);
  },
  Min: (operation, graph) => bounded(operation, graph, "minimum"),
  Max: (operation, graph) => bounded(operation, graph, "maximum"),
  /** With a known condition: a·c + b·(1 − c), and where b is constant its part at once. */
  Where: (operation, graph) => where(operation, graph),
};

/** @param transform Applied to the constant, if there is one. */
function combine(
  operation: Operation,
  graph: GraphBuilder,
  op: BinaryOp,
  transform: (value: number) => number = (value) => value,
): Activation {
  const compose = new Composition(operation, graph);
  const index = operation.inputs.findIndex((value) => value?.kind === "constant");
  if (index < 0) return compose.two(op, operation.activation(0), operation.activation(1));
  const { shape, data } = constantOperand(operation, index);
  const mapped = { shape, data: data.map(transform) };
  return compose.constant(
    op,
    operation.activation(1 - index),
    mapped,
    nameOf(operation, index),
    undefined,
    index === 0,
  );
}

/** Up to operator set 6 the second operand lies along the first's axes from `axis` on, where `broadcast` says so. */
function constantOperand(operation: Operation, index: number): { shape: number[]; data: Float32Array } {
  const { shape, data } = operation.floatConstant(index);
  if (index !== 1 || operation.opset >= 7 || !operation.has("axis")) return { shape, data };
  const { length } = operation.activation(0).shape;
  const behind = length - operation.axis(operation.int("axis", 0), length) - shape.length;
  if (behind < 0) throw operation.invalid(`its operand of shape [${shape}] reaches beyond the other's`);
  return { shape: [...shape, ...Array<number>(behind).fill(1)], data };
}

/** All operands combined from left to right, those that are constant last. */
function fold(operation: Operation, graph: GraphBuilder, op: BinaryOp, role?: string): Activation {
  const compose = new Composition(operation, graph);
  const indices = operation.inputs.map((_, i) => i);
  const isConstant = (i: number) => operation.inputs[i]?.kind === "constant";
  const [first, ...others] = [...indices.filter((i) => !isConstant(i)), ...indices.filter(isConstant)] as [
    number,
    ...number[],
  ];
  let value = operation.activation(first);
  others.forEach((i, step) => {
    const own = step === others.length - 1 ? role : `${op}${step + 1}`;
    value = isConstant(i)
      ? compose.constant(op, value, operation.floatConstant(i), nameOf(operation, i), own)
      : compose.two(op, value, operation.activation(i), own);
  });
  return value;
}

/** The lesser or the greater of all operands; a number is a bound of Clip. */
function bounded(operation: Operation, graph: GraphBuilder, op: "minimum" | "maximum"): Activation {
  const index = operation.inputs.findIndex((value) => value?.kind === "constant");
  const bound = operation.inputs[index];
  const isNumber =
    operation.inputs.length === 2 && bound?.kind === "constant" && elementCount(bound.tensor.shape) === 1;
  if (!isNumber) return fold(operation, graph, op);
  const number = operation.optionalScalar(index)!;
  const activation =
    op === "maximum" && number === 0
      ? ({ kind: "relu" } as const)
      : ({
          kind: "clip",
          min: op === "maximum" ? number : -FLOAT_MAX,
          max: op === "minimum" ? number : FLOAT_MAX,
        } as const);
  return new Composition(operation, graph).apply(activation, operation.activation(1 - index));
}

function power(operation: Operation, graph: GraphBuilder): Activation {
  const compose = new Composition(operation, graph);
  const [base, exponent] = operation.inputs;
  if (exponent?.kind !== "constant") return combine(operation, graph, "power");
  if (base?.kind === "constant") throw operation.unsupported("both of its operands are constant");
  const x = operation.activation(0);
  const { shape, data } = exponent.tensor;
  switch (data.length === 1 ? data[0] : undefined) {
    case 1:
      return x;
    case 2:
      return compose.two("multiply", x, x);
    case 3:
      return compose.two("multiply", compose.two("multiply", x, x, "square"), x);
    case 0.5:
      return compose.apply({ kind: "sqrt" }, x);
    case -1:
      return compose.apply({ kind: "reciprocal" }, x);
    case -0.5:
      return compose.apply({ kind: "reciprocal" }, compose.apply({ kind: "sqrt" }, x, "root"));
    default:
      return compose.constant("power", x, { shape, data: Float32Array.from(data) }, nameOf(operation, 1));
  }
}

function where(operation: Operation, graph: GraphBuilder): Activation {
  const compose = new Composition(operation, graph);
  const { shape, data } = operation.constant(0);
  const chosen = Float32Array.from(data, (value) => Number(value !== 0));
  const mask = { shape, data: chosen };
  const others = { shape, data: chosen.map((value) => 1 - value) };
  const part = (index: number, weights: typeof mask, role: string): Activation | undefined => {
    if (operation.inputs[index]?.kind === "constant") return undefined;
    return compose.constant(
      "multiply",
      operation.activation(index),
      weights,
      `${operation.name}/${role}`,
      role,
    );
  };
  const [a, b] = [part(1, mask, "chosen"), part(2, others, "other")];
  if (a && b) return compose.two("add", a, b);
  const index = a ? 2 : 1;
  const addend = maskedConstant(operation, a ? others : mask, operation.floatConstant(index));
  return compose.constant("add", (a ?? b)!, addend, nameOf(operation, index));
}

/** The constant where the mask is 1, 0 elsewhere; what masks use to say "not at all" becomes the largest float. */
function maskedConstant(
  operation: Operation,
  mask: { shape: number[]; data: Float32Array },
  { shape, data }: { shape: number[]; data: Float32Array },
): { shape: number[]; data: Float32Array } {
  const finite = data.map((value) => Math.min(Math.max(value, -FLOAT_MAX), FLOAT_MAX));
  if (data.length === 1) {
    return { shape: mask.shape, data: mask.data.map((weight) => (weight === 1 ? finite[0]! : 0)) };
  }
  const isSame = shape.length === mask.shape.length && shape.every((size, axis) => size === mask.shape[axis]);
  if (!isSame && mask.data.length !== 1) {
    throw operation.unsupported(`its condition [${mask.shape}] and constant [${shape}] broadcast`);
  }
  const weightOf = (i: number) => mask.data[mask.data.length === 1 ? 0 : i]!;
  return { shape, data: finite.map((value, i) => (weightOf(i) === 1 ? value : 0)) };
}
