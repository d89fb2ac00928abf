/** Folding of sums, products, means and extremes over axes: what exporters compute of shapes, and norms of weights. */

import type { FoldContext, Folder } from "./folder.ts";
import { isNoop } from "./noop.ts";
import { elementCount, type OnnxTensor } from "./tensors.ts";

/** How a reduction goes on from a value to the next, from `start` on, and what it makes of the end and the count. */
interface Reduction {
  start: number;
  next(before: number, value: number): number;
  finish?(end: number, count: number): number;
}

const sum = (before: number, value: number) => before + value;
const sumOfSquares = (before: number, value: number) => before + value * value;

export const reductions: Record<string, Folder> = {
  ReduceSum: reduction({ start: 0, next: sum }),
  ReduceMean: reduction({ start: 0, next: sum, finish: (end, count) => end / count }),
  ReduceProd: reduction({ start: 1, next: (before, value) => before * value }),
  ReduceMax: reduction({ start: Number.NEGATIVE_INFINITY, next: Math.max }),
  ReduceMin: reduction({ start: Number.POSITIVE_INFINITY, next: Math.min }),
  ReduceL1: reduction({ start: 0, next: (before, value) => before + Math.abs(value) }),
  ReduceL2: reduction({ start: 0, next: sumOfSquares, finish: Math.sqrt }),
  ReduceSumSquare: reduction({ start: 0, next: sumOfSquares }),
};

/** Axes are an attribute first and an input later; without any, all of them. */
function reduction(how: Reduction): Folder {
  return ([x], context) => {
    const { operation } = context;
    if (x!.batch) throw operation.unsupported("it reduces numbers that depend on the batch size");
    const rank = x!.shape.length;
    const stated = operation.ints("axes") ?? operation.optionalIntegers(1) ?? [];
    if (isNoop(operation) && stated.length === 0) return [x!];
    const axes = new Set(stated.map((axis) => operation.axis(axis, rank)));
    const isGone = (axis: number) => axes.size === 0 || axes.has(axis);
    const shape = x!.shape.map((size, axis) => (isGone(axis) ? 1 : size));
    const kept = operation.int("keepdims", 1) !== 0 ? shape : shape.filter((_, axis) => !isGone(axis));
    return [reduced(x!, shape, kept, how, context)];
  };
}

function reduced(
  x: OnnxTensor,
  shape: number[],
  kept: number[],
  { start, next, finish }: Reduction,
  context: FoldContext,
): OnnxTensor {
  if (elementCount(x.shape) === 0) throw context.operation.unsupported("it reduces nothing");
  const out = context.create(x.dataType, kept);
  // In double precision, whatever the result is held in.
  const ends = new Float64Array(out.data.length).fill(start);
  for (let i = 0; i < x.data.length; i++) {
    let [left, at, step] = [i, 0, 1];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const index = left % x.shape[axis]!;
      left = Math.floor(left / x.shape[axis]!);
      if (shape[axis] !== 1) at += index * step;
      step *= shape[axis]!;
    }
    ends[at] = next(ends[at]!, x.data[i]!);
  }
  const count = x.data.length / out.data.length;
  out.data.set(finish ? ends.map((end) => finish(end, count)) : ends);
  return out;
}
