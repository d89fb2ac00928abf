/** Slice's starts, ends, axes and steps, as attributes or inputs, made definite. */
import type { Operation } from "./operation.ts";

/** Indices begin, begin + step, … of an axis, `count` of them. */
export interface SliceRange {
  begin: number;
  step: number;
  count: number;
}

/**
 * One range for each axis of an operand of `shape`; an axis that is not sliced has all its indices. The batch (−1)
 * can only be left whole; its count is −1 then.
 */
export function sliceRanges(operation: Operation, shape: readonly number[]): SliceRange[] {
  const starts = operation.ints("starts") ?? operation.optionalIntegers(1);
  const ends = operation.ints("ends") ?? integersOrBatch(operation);
  if (!starts || !ends || starts.length !== ends.length) {
    throw operation.invalid("its starts and ends do not match");
  }
  const axes = operation.ints("axes") ?? operation.optionalIntegers(3) ?? starts.map((_, i) => i);
  const steps = operation.optionalIntegers(4) ?? starts.map(() => 1);
  if (axes.length !== starts.length || steps.length !== starts.length) {
    throw operation.invalid("its axes or steps do not match its starts");
  }
  const ranges = shape.map((count): SliceRange => ({ begin: 0, step: 1, count }));
  axes.forEach((given, i) => {
    const axis = operation.axis(given, shape.length);
    ranges[axis] = range(operation, shape[axis]!, starts[i]!, ends[i]!, steps[i]!);
  });
  return ranges;
}

/** An end that is the open batch size itself reaches every index there is. */
function integersOrBatch(operation: Operation): number[] | undefined {
  const tensor = operation.optionalConstant(2);
  if (!tensor?.batch) return operation.optionalIntegers(2);
  return Array.from(tensor.data, (value, i) => (tensor.batch![i] ? Number.POSITIVE_INFINITY : value));
}

function range(operation: Operation, size: number, start: number, end: number, step: number): SliceRange {
  if (step === 0) throw operation.invalid("a step of 0");
  if (size === -1) {
    if (start !== 0 || step !== 1 || end < 2 ** 31 - 1) throw operation.unsupported("it slices the batch");
    return { begin: 0, step, count: -1 };
  }
  if (size === 0) return { begin: 0, step, count: 0 };
  const absolute = (index: number) => (index < 0 ? index + size : index);
  const [low, high] = step > 0 ? [0, size] : [-1, size - 1];
  const clamp = (index: number) => Math.min(Math.max(absolute(index), low), high);
  const begin = Math.max(clamp(start), 0);
  return { begin, step, count: Math.max(0, Math.ceil((clamp(end) - begin) / step)) };
}
