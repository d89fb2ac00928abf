/** Reshape's target made definite. */
import type { Operation } from "./operation.ts";
import { elementCount } from "./tensors.ts";

/**
 * The shape that a reshape of `from` to `target` gives: 0 copies a dimension (unless literal), one −1 takes what
 * is left.
 */
export function targetShape(
  operation: Operation,
  from: readonly number[],
  target: readonly number[],
  isZeroLiteral: boolean,
): number[] {
  const copied = target.map((size, axis) => (size === 0 && !isZeroLiteral ? (from[axis] ?? 0) : size));
  const total = elementCount(from);
  const known = copied.filter((size) => size !== -1);
  const shape = copied.map((size) => (size === -1 ? total / elementCount(known) : size));
  const isPossible = shape.every((size) => Number.isSafeInteger(size) && size >= 0);
  if (copied.length - known.length > 1 || !isPossible || elementCount(shape) !== total) {
    throw operation.invalid(`shape [${from}] cannot become [${target}]`);
  }
  return shape;
}

/**
 * The same for a value of the network, `from` and the result with the batch as −1 in front. `target` may say the
 * batch as 0, as N (shape arithmetic), as −1, or as the number that the file fixes it to; a 1 is taken for it too,
 * as that file was written with a batch of one.
 */
export function targetShapeOfBatch(
  operation: Operation,
  from: readonly number[],
  fixedBatch: number | undefined,
): number[] {
  const tensor = operation.constant(1);
  const target = Array.from(tensor.data);
  if (operation.isBatchHidden) {
    if (tensor.batch) throw mergesBatch(operation, from);
    return [-1, ...targetShape(operation, from.slice(1), target, operation.int("allowzero", 0) === 1)];
  }
  const [factor = 0, ...others] = tensor.batch ?? [];
  if (others.some((value) => value !== 0) || (factor !== 0 && (factor !== 1 || target[0] !== 0))) {
    throw mergesBatch(operation, from);
  }
  const isBatch = factor === 1 || (fixedBatch !== undefined && target[0] === fixedBatch);
  if (!isBatch && target[0] !== undefined && target[0] > 1) throw mergesBatch(operation, from);
  const one = isBatch ? [1, ...target.slice(1)] : target;
  const shape = targetShape(operation, [1, ...from.slice(1)], one, operation.int("allowzero", 0) === 1);
  if (shape[0] !== 1) throw mergesBatch(operation, from);
  return [-1, ...shape.slice(1)];
}

function mergesBatch(operation: Operation, from: readonly number[]) {
  return operation.unsupported(`it mixes the batch with other dimensions of [${from}]`);
}
