/** Slice and StridedSlice as definite ranges of every axis. */
import type { Operation } from "./operation.ts";

export interface Range {
  begin: number;
  step: number;
  count: number;
}

/** A size of −1 goes to the end, as does NaN, the batch's own. @param shape −1 for the batch. */
export function sliceRanges(
  operation: Operation,
  shape: readonly number[],
  begin: readonly number[],
  sizes: readonly number[],
): Range[] {
  if (begin.length !== shape.length || sizes.length !== shape.length) {
    throw operation.invalid(`it slices [${begin}] of sizes [${sizes}] from [${shape}]`);
  }
  return shape.map((size, axis) => {
    const from = begin[axis]!;
    const stated = sizes[axis]!;
    const isToEnd = stated === -1 || Number.isNaN(stated);
    if (size === -1) {
      if (from !== 0 || !(isToEnd || stated === 1)) throw operation.unsupported("it slices the batch");
      return { begin: 0, step: 1, count: -1 };
    }
    const count = isToEnd ? size - from : stated;
    if (!(from >= 0 && count >= 0 && from + count <= size)) {
      throw operation.invalid(`it slices [${begin}] of sizes [${sizes}] from [${shape}]`);
    }
    return { begin: from, step: 1, count };
  });
}

/**
 * x[begin:end:strides] with TensorFlow's masks: bit i of `begin_mask` and `end_mask` opens that end of axis i, of
 * `ellipsis_mask` stands for all axes that nothing is said of, of `new_axis_mask` adds an axis of 1, of
 * `shrink_axis_mask` takes one index and drops the axis.
 *
 * @param shape −1 for the batch.
 * @returns The range of every axis, the resulting shape, and by what the axes come to it.
 */
export function stridedRanges(
  operation: Operation,
  shape: readonly number[],
  begin: readonly number[],
  end: readonly number[],
  strides: readonly number[],
): { ranges: Range[]; shape: number[]; dropped: number[]; inserted: number[] } {
  const mask = (attribute: string, bit: number) => ((operation.number(attribute, 0) >> bit) & 1) === 1;
  const entries = begin.length;
  if (end.length !== entries || strides.length !== entries || entries > 16) {
    throw operation.invalid(`it slices [${begin}] to [${end}] by [${strides}] of [${shape}]`);
  }
  const ranges: Range[] = [];
  const result: number[] = [];
  const dropped: number[] = [];
  const inserted: number[] = [];
  const whole = (axis: number) => {
    const size = shape[axis]!;
    ranges.push({ begin: 0, step: 1, count: size });
    result.push(size);
  };
  let named = 0;
  for (let i = 0; i < entries; i++) if (!mask("new_axis_mask", i) && !mask("ellipsis_mask", i)) named++;
  for (let i = 0; i < entries; i++) {
    const axis = ranges.length;
    if (mask("ellipsis_mask", i)) {
      for (let left = shape.length - named; left > 0; left--) whole(ranges.length);
      continue;
    }
    if (mask("new_axis_mask", i)) {
      inserted.push(result.length);
      result.push(1);
      continue;
    }
    const size = shape[axis];
    if (size === undefined) throw operation.invalid(`it slices more axes than [${shape}] has`);
    if (mask("shrink_axis_mask", i)) {
      const at = begin[i]! < 0 ? begin[i]! + Math.abs(size) : begin[i]!;
      if (!(at >= 0 && at < Math.abs(size)))
        throw operation.invalid(`index ${begin[i]} is outside of [${shape}]`);
      ranges.push({ begin: at, step: 1, count: size === -1 ? -1 : 1 });
      dropped.push(axis);
      continue;
    }
    const found = rangeOf(operation, size, begin[i]!, end[i]!, strides[i]!, [
      mask("begin_mask", i),
      mask("end_mask", i),
    ]);
    ranges.push(found);
    result.push(found.count);
  }
  while (ranges.length < shape.length) whole(ranges.length);
  return { ranges, shape: result, dropped, inserted };
}

function rangeOf(
  operation: Operation,
  size: number,
  begin: number,
  end: number,
  step: number,
  [isOpenBegin, isOpenEnd]: readonly [boolean, boolean],
): Range {
  if (size === -1) {
    const isWhole = (isOpenBegin || begin === 0) && step === 1;
    // A file with a batch of 1 may say so; one that is open leaves the end open, or says NaN.
    if (!isWhole || !(isOpenEnd || Number.isNaN(end) || end === 1 || end >= 2 ** 31 - 1)) {
      throw operation.unsupported("it slices the batch");
    }
    return { begin: 0, step: 1, count: -1 };
  }
  if (step !== 1 && !(Number.isInteger(step) && step > 1)) throw operation.unsupported(`strides of ${step}`);
  const clamp = (value: number) => Math.min(Math.max(value < 0 ? value + size : value, 0), size);
  const from = isOpenBegin ? 0 : clamp(begin);
  const to = isOpenEnd ? size : clamp(end);
  if (Number.isNaN(from) || Number.isNaN(to)) throw operation.unsupported("it slices by the batch size");
  return { begin: from, step, count: Math.max(0, Math.ceil((to - from) / step)) };
}
