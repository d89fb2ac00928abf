/**
 * Folding of element-wise operators. Numbers that depend on the open batch size N have the form a + b·N, which
 * sums keep, and products and quotients with known numbers too.
 */
import { TensorProto_DataType as DataType } from "../onnx_pb.ts";
import type { FoldContext, Folder } from "./folder.ts";
import { broadcastShape, broadcastTo, withBatch } from "./foldMovement.ts";
import { isFloat, type OnnxTensor } from "./tensors.ts";

export const arithmetic: Record<string, Folder> = {
  Add: linear((a, b) => a + b),
  Sub: linear((a, b) => a - b),
  Mul: ([a, b], context) => [product(a!, b!, context)],
  Div: ([a, b], context) => [quotient(a!, b!, context)],
  Min: ofAny((a, b) => Math.min(a, b)),
  Max: ofAny((a, b) => Math.max(a, b)),
  /** The remainder has the sign of the divisor, or with fmod that of the dividend. */
  Mod: (inputs, context) =>
    context.operation.int("fmod", 0) === 0
      ? binary((a, b) => a - b * Math.floor(a / b))(inputs, context)
      : binary((a, b) => a % b)(inputs, context),
  Greater: binary((a, b) => Number(a > b), DataType.BOOL),
  Less: binary((a, b) => Number(a < b), DataType.BOOL),
  And: binary((a, b) => Number(a !== 0 && b !== 0), DataType.BOOL),
  Or: binary((a, b) => Number(a !== 0 || b !== 0), DataType.BOOL),
  Equal: ([a, b], context) => [equal(a!, b!, context)],
  Where: ([condition, a, b], context) => [where(condition!, a!, b!, context)],
  Not: unary((x) => Number(x === 0)),
  GreaterOrEqual: binary((a, b) => Number(a >= b), DataType.BOOL),
  LessOrEqual: binary((a, b) => Number(a <= b), DataType.BOOL),
  Pow: ([a, b], context) => binary((x, y) => power(x, y, context), a!.dataType)([a, b], context),
  Clip: ([x, min, max], context) => {
    const [least, most] = [min?.data[0] ?? -Infinity, max?.data[0] ?? Infinity];
    const low = context.operation.float("min", least);
    const high = context.operation.float("max", most);
    return unary((value) => Math.min(Math.max(value, low), high))([x], context);
  },
  Neg: unary((x) => -x),
  Abs: unary(Math.abs),
  Reciprocal: unary((x) => 1 / x),
  Relu: unary((x) => Math.max(x, 0)),
  Floor: unary(Math.floor),
  Ceil: unary(Math.ceil),
  Sqrt: unary(Math.sqrt),
};

/** Both operands at the shape they broadcast to, and a result of that shape. */
function aligned(a: OnnxTensor, b: OnnxTensor, context: FoldContext, dataType = a.dataType) {
  const shape = broadcastShape(a.shape, b.shape, context);
  return {
    left: broadcastTo(a, shape, context),
    right: broadcastTo(b, shape, context),
    out: context.create(dataType, shape),
  };
}

/** Sums and differences: the same for the known part and the factors of N. */
function linear(apply: (a: number, b: number) => number): Folder {
  return ([a, b], context) => {
    const { left, right, out } = aligned(a!, b!, context);
    for (let i = 0; i < out.data.length; i++) out.data[i] = apply(left.data[i]!, right.data[i]!);
    const batch =
      left.batch || right.batch
        ? new Float64Array(out.data.length).map((_, i) => apply(left.batch?.[i] ?? 0, right.batch?.[i] ?? 0))
        : undefined;
    return [withBatch(out, batch)];
  };
}

function product(a: OnnxTensor, b: OnnxTensor, context: FoldContext): OnnxTensor {
  const { left, right, out } = aligned(a, b, context);
  const batch = new Float64Array(left.batch || right.batch ? out.data.length : 0);
  for (let i = 0; i < out.data.length; i++) {
    out.data[i] = left.data[i]! * right.data[i]!;
    if (batch.length === 0) continue;
    const [p, q] = [left.batch?.[i] ?? 0, right.batch?.[i] ?? 0];
    if (p !== 0 && q !== 0) throw openBatch(context);
    batch[i] = p * right.data[i]! + q * left.data[i]!;
  }
  return withBatch(out, batch);
}

/** Integers divide as in C, towards zero. */
function quotient(a: OnnxTensor, b: OnnxTensor, context: FoldContext): OnnxTensor {
  if (b.batch) throw openBatch(context);
  const { left, right, out } = aligned(a, b, context);
  const isWhole = !isFloat(a.dataType);
  if (isWhole && right.data.includes(0)) throw context.operation.invalid("it divides by zero");
  const batch = left.batch?.map((value, i) => value / right.data[i]!);
  for (let i = 0; i < out.data.length; i++) {
    const value = left.data[i]! / right.data[i]!;
    const isOpen = batch !== undefined && batch[i] !== 0;
    if (isWhole && isOpen && !(Number.isInteger(value) && Number.isInteger(batch[i]))) {
      throw openBatch(context);
    }
    out.data[i] = isWhole ? Math.trunc(value) : value;
  }
  return withBatch(out, batch);
}

function binary(apply: (a: number, b: number) => number, dataType?: DataType): Folder {
  return ([a, b], context) => {
    if (!a || !b) throw context.operation.invalid("one of its inputs is missing");
    if (a.batch || b.batch) throw openBatch(context);
    const { left, right, out } = aligned(a, b, context, dataType);
    for (let i = 0; i < out.data.length; i++) out.data[i] = apply(left.data[i]!, right.data[i]!);
    return [out];
  };
}

/** A binary operator on any number of inputs, from left to right. */
function ofAny(apply: (a: number, b: number) => number): Folder {
  return ([first, ...others], context) => [
    others.reduce<OnnxTensor>((x, y) => binary(apply)([x, y], context)[0]!, first!),
  ];
}

function unary(apply: (x: number) => number): Folder {
  return ([x], context) => {
    const out = context.create(x!.dataType, x!.shape);
    for (let i = 0; i < out.data.length; i++) {
      if (x!.batch?.[i]) throw openBatch(context);
      out.data[i] = apply(x!.data[i]!);
    }
    return [out];
  };
}

/** N equals N and nothing else: shapes are compared with −1 and 0, which no batch size is. */
function equal(a: OnnxTensor, b: OnnxTensor, context: FoldContext): OnnxTensor {
  const { left, right, out } = aligned(a, b, context, DataType.BOOL);
  for (let i = 0; i < out.data.length; i++) {
    const isSameMultiple = (left.batch?.[i] ?? 0) === (right.batch?.[i] ?? 0);
    out.data[i] = Number(isSameMultiple && left.data[i] === right.data[i]);
  }
  return out;
}

function where(condition: OnnxTensor, a: OnnxTensor, b: OnnxTensor, context: FoldContext): OnnxTensor {
  if (condition.batch) throw openBatch(context);
  const shape = broadcastShape(condition.shape, broadcastShape(a.shape, b.shape, context), context);
  const [choice, left, right] = [condition, a, b].map((x) => broadcastTo(x, shape, context));
  const out = context.create(a.dataType, shape);
  const batch = new Float64Array(a.batch || b.batch ? out.data.length : 0);
  for (let i = 0; i < out.data.length; i++) {
    const chosen = choice!.data[i] ? left! : right!;
    out.data[i] = chosen.data[i]!;
    if (batch.length > 0) batch[i] = chosen.batch?.[i] ?? 0;
  }
  return withBatch(out, batch);
}

/** Whole powers and roots, which come out the same in every engine. */
function power(base: number, exponent: number, { operation }: FoldContext): number {
  if (exponent === 0.5) return Math.sqrt(base);
  if (exponent === -0.5) return 1 / Math.sqrt(base);
  if (!Number.isInteger(exponent) || Math.abs(exponent) > 64) {
    throw operation.unsupported(`it raises a constant to the power of ${exponent}`);
  }
  let result = 1;
  for (let i = 0; i < Math.abs(exponent); i++) result *= base;
  return exponent < 0 ? 1 / result : result;
}

function openBatch({ operation }: FoldContext) {
  return operation.unsupported("it computes with the batch size in a way that only one batch size would fit");
}
