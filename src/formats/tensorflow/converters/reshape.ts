/** Reshape with the batch kept apart, however the file mixes it with other axes. */
import type { NetworkBuilder } from "../networkBuilder.ts";
import type { Operation } from "../operation.ts";
import { type Activation, fileShape, product, range } from "../values.ts";

/**
 * The value under the file's shape `target`, in which one −1 takes what is left, and the batch is NaN, −1 or the number
 * that the file fixes it to. A first axis that is the batch times something else, or a shape without batch where the
 * file's is 1, keeps the batch in memory only:
 *
 *     [N, 7, 7, C] → [−1, C]      in memory [N, 49, C], axes [1, 2]
 *     [1, 1, 1, C] → [C]          in memory [N, C], axes [1]
 */
export function reshapeTo(
  operation: Operation,
  graph: NetworkBuilder,
  given: Activation,
  target: readonly number[],
  role?: string,
): Activation {
  const value = graph.settle(given);
  const elements = product(value.memory.slice(1));
  const [first = Number.NaN, ...rest] = target;
  const isFirstOpen = Number.isNaN(first) || first === -1;
  const isOne = graph.fixedBatch === 1;
  const isBatch = isFirstOpen || first === graph.fixedBatch || first === 1;
  const others = isBatch ? filled(rest, elements, first === -1) : undefined;
  if (others) return graph.view(operation, value, [-1, ...others], range(target.length), role);
  // The first axis is the batch times what the others leave.
  const merged = isFirstOpen
    ? filled([-1, ...rest], elements, false)
    : isOne
      ? filled(target, elements, false)
      : undefined;
  if (!merged) {
    throw operation.unsupported(
      `it makes [${target}] of [${fileShape(value)}]: that mixes the batch with other axes`,
    );
  }
  return graph.view(operation, value, [-1, ...merged], range(target.length, 1), role);
}

/** `sizes` with one −1 replaced by what is left of `elements`; undefined where that does not come out even. */
function filled(sizes: readonly number[], elements: number, isAllKnown: boolean): number[] | undefined {
  const open = sizes.filter((size) => size === -1).length;
  if (open > (isAllKnown ? 0 : 1)) return undefined;
  const known = product(sizes.filter((size) => size !== -1));
  const result = sizes.map((size) => (size === -1 ? elements / known : size));
  const isPossible = result.every((size) => Number.isSafeInteger(size) && size >= 1);
  return isPossible && product(result) === elements ? result : undefined;
}
