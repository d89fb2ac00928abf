/** Folding of element-wise operators and reductions. What depends on the open batch size is NaN, and stays it. */
import type { FoldContext, Folder } from "./folder.ts";
import type { TensorConstant } from "./network.ts";
import { product } from "./values.ts";

export const arithmetic: Record<string, Folder> = {
  Add: binary((a, b) => a + b),
  AddV2: binary((a, b) => a + b),
  Sub: binary((a, b) => a - b),
  Mul: binary((a, b) => a * b),
  RealDiv: binary((a, b) => a / b),
  Div: binary((a, b, isInteger) => (isInteger ? Math.trunc(a / b) : a / b)),
  FloorDiv: binary((a, b) => Math.floor(a / b)),
  FloorMod: binary((a, b) => a - b * Math.floor(a / b)),
  Maximum: binary((a, b) => Math.max(a, b)),
  Minimum: binary((a, b) => Math.min(a, b)),
  Pow: binary((a, b) => a ** b),
  Neg: unary((x) => -x),
  Abs: unary(Math.abs),
  Sqrt: unary(Math.sqrt),
  Rsqrt: unary((x) => 1 / Math.sqrt(x)),
  Reciprocal: unary((x) => 1 / x),
  Square: unary((x) => x * x),
  Floor: unary(Math.floor),
  Ceil: unary(Math.ceil),
  Prod: reduction(1, (a, b) => a * b),
  Sum: reduction(0, (a, b) => a + b),
  Max: reduction(Number.NEGATIVE_INFINITY, Math.max),
  Min: reduction(Number.POSITIVE_INFINITY, Math.min),
};

function unary(apply: (x: number) => number): Folder {
  return ([x], context) => {
    const { shape, data, isInteger } = operand(x, context);
    const out = context.create(shape, isInteger);
    for (let i = 0; i < data.length; i++) out.data[i] = apply(data[i]!);
    return out;
  };
}

function binary(apply: (a: number, b: number, isInteger: boolean) => number): Folder {
  return ([first, second], context) => {
    const [a, b] = [operand(first, context), operand(second, context)];
    const rank = Math.max(a.shape.length, b.shape.length);
    const at = (shape: number[], axis: number) => shape[axis - rank + shape.length] ?? 1;
    const shape = Array.from({ length: rank }, (_, axis) => {
      const [left, right] = [at(a.shape, axis), at(b.shape, axis)];
      if (left !== right && left !== 1 && right !== 1) {
        throw context.operation.invalid(`its inputs [${a.shape}] and [${b.shape}] do not broadcast`);
      }
      return left === 1 ? right : left;
    });
    const isInteger = a.isInteger && b.isInteger;
    const out = context.create(shape, isInteger);
    const [left, right] = [offsets(a.shape, shape), offsets(b.shape, shape)];
    for (let i = 0; i < out.data.length; i++) {
      out.data[i] = apply(a.data[left(i)]!, b.data[right(i)]!, isInteger);
    }
    return out;
  };
}

/** Where element i of `shape` lies in a tensor of shape `from` that is broadcast to it. */
function offsets(from: readonly number[], shape: readonly number[]): (i: number) => number {
  if (product(from) === product(shape)) return (i) => i;
  return (i) => {
    let [rest, stride, offset] = [i, 1, 0];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const size = from[axis - shape.length + from.length] ?? 1;
      if (size !== 1) offset += (rest % shape[axis]!) * stride;
      stride *= size;
      rest = Math.floor(rest / shape[axis]!);
    }
    return offset;
  };
}

function reduction(initial: number, apply: (a: number, b: number) => number): Folder {
  return ([x, axes], context) => {
    const { shape, data, isInteger } = operand(x, context);
    const reduced = new Set(
      Array.from(operand(axes, context).data, (axis) => context.operation.axis(axis, shape.length)),
    );
    const kept = shape.map((size, axis) => (reduced.has(axis) ? 1 : size));
    const out = context.create(kept, isInteger);
    out.data.fill(initial);
    const target = offsets(kept, shape);
    for (let i = 0; i < data.length; i++) out.data[target(i)] = apply(out.data[target(i)]!, data[i]!);
    if (context.operation.flag("keep_dims")) return out;
    return { ...out, shape: kept.filter((_, axis) => !reduced.has(axis)) };
  };
}

export function operand(x: TensorConstant | undefined, { operation }: FoldContext): TensorConstant {
  if (!x) throw operation.invalid("one of its inputs is missing");
  return x;
}
