/** Split's sizes, as an attribute or an input, made definite. */
import type { Operation } from "./operation.ts";

/** Sizes of the outputs along an axis of `size`: stated, or equal with what is left over in the last. */
export function splitSizes(operation: Operation, size: number): number[] {
  const count = operation.outputs.length;
  const even = Math.ceil(size / count);
  const sizes =
    operation.ints("split") ??
    operation.optionalIntegers(1) ??
    operation.outputs.map((_, i) => Math.min(even, size - i * even));
  const total = sizes.reduce((sum, part) => sum + part, 0);
  if (sizes.length !== count || total !== size || sizes.some((part) => part < 0)) {
    throw operation.invalid(`it splits ${size} into [${sizes}] for ${count} outputs`);
  }
  return sizes;
}
