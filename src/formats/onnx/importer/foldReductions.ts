/** Folding of sums, products, means and extremes over axes: what exporters compute of shapes, and norms of weights. */
import type { FoldContext, Folder } from "./folder.ts";
import { elementCount, type OnnxTensor } from "./tensors.ts";

export const reductions: Record<string, Folder> = {
  ReduceSum: reduction((values) => values.reduce((a, b) => a + b, 0)),
  ReduceMean: reduction((values) => values.reduce((a, b) => a + b, 0) / values.length),
  ReduceProd: reduction((values) => values.reduce((a, b) => a * b, 1)),
  ReduceMax: reduction((values) => values.reduce((a, b) => Math.max(a, b))),
  ReduceMin: reduction((values) => values.reduce((a, b) => Math.min(a, b))),
  ReduceL1: reduction((values) => values.reduce((sum, value) => sum + Math.abs(value), 0)),
  ReduceL2: reduction((values) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0))),
  ReduceSumSquare: reduction((values) => values.reduce((sum, value) => sum + value * value, 0)),
};

/** Axes are an attribute first and an input later; without any, all of them. */
function reduction(reduce: (values: number[]) => number): Folder {
  return ([x], context) => {
    const { operation } = context;
    if (x!.batch) throw operation.unsupported("it reduces numbers that depend on the batch size");
    const rank = x!.shape.length;
    const stated = operation.ints("axes") ?? operation.optionalIntegers(1) ?? [];
    if (stated.length === 0 && operation.int("noop_with_empty_axes", 0) !== 0) return [x!];
    const axes = new Set(stated.map((axis) => operation.axis(axis, rank)));
    const isGone = (axis: number) => axes.size === 0 || axes.has(axis);
    const shape = x!.shape.map((size, axis) => (isGone(axis) ? 1 : size));
    const kept = operation.int("keepdims", 1) !== 0 ? shape : shape.filter((_, axis) => !isGone(axis));
    return [reduced(x!, shape, kept, reduce, context)];
  };
}

function reduced(
  x: OnnxTensor,
  shape: number[],
  kept: number[],
  reduce: (values: number[]) => number,
  context: FoldContext,
): OnnxTensor {
  if (elementCount(x.shape) === 0) throw context.operation.unsupported("it reduces nothing");
  const out = context.create(x.dataType, kept);
  const groups = Array.from(out.data, (): number[] => []);
  for (let i = 0; i < x.data.length; i++) {
    let [left, at, step] = [i, 0, 1];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const index = left % x.shape[axis]!;
      left = Math.floor(left / x.shape[axis]!);
      if (shape[axis] !== 1) at += index * step;
      step *= shape[axis]!;
    }
    groups[at]!.push(x.data[i]!);
  }
  groups.forEach((values, i) => {
    out.data[i] = reduce(values);
  });
  return out;
}
