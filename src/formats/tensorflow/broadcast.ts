/** Two operands of an element-wise operator brought to axes that lie alike in memory. */
import { permute } from "../graph/permute.ts";
import type { NetworkBuilder } from "./networkBuilder.ts";
import type { Operation } from "./operation.ts";
import { type Activation, fileShape, isBatchless, product, range } from "./values.ts";

/**
 * A constant in the order in which `x` lies in memory; where it has more axes than `x`, which then gets them too.
 *
 * @throws GenieError `unsupported-operator` for one that tells the images of a batch apart.
 */
export function constantOperand(
  operation: Operation,
  graph: NetworkBuilder,
  x: Activation,
  { name, shape, data }: { name: string; shape: number[]; data: Float32Array },
): { x: Activation; name: string } {
  const leading = shape.findIndex((size, axis) => size !== 1 || shape.length - axis <= x.axes.length);
  const stated = shape.slice(Math.max(leading, 0));
  const aligned = withRank(operation, graph, x, stated.length);
  const rank = aligned.axes.length;
  const padded = [...Array<number>(rank - stated.length).fill(1), ...stated];
  const batch = aligned.axes.indexOf(0);
  if (batch >= 0 && padded[batch] !== 1) {
    throw operation.unsupported(
      `its constant "${name}" of shape [${shape}] tells the images of a batch apart`,
    );
  }
  const places = range(aligned.memory.length - 1, 1).map((axis) => aligned.axes.indexOf(axis));
  // What does not vary along an axis of memory that the file does not have is not asked there.
  const moved = places.map((axis) => (axis < 0 ? 1 : padded[axis]!));
  const first = moved.findIndex((size) => size !== 1);
  const own = product(moved) === 1 ? [1] : moved.slice(Math.max(first, 0));
  const order = [...(batch >= 0 ? [batch] : []), ...places.filter((axis) => axis >= 0)];
  return {
    x: aligned,
    name: graph.constant(name, own, order.join(), () => permute(data, padded, order)),
  };
}

/** Both values with axes that lie alike, and the axes of what is computed of them. */
export function alignValues(
  operation: Operation,
  graph: NetworkBuilder,
  a: Activation,
  b: Activation,
): { inputs: [string, string]; axes: number[] } {
  if (a.axes.join() === b.axes.join() && a.memory.length === b.memory.length) {
    return { inputs: [a.name, b.name], axes: a.axes };
  }
  const [left, right] = [graph.settle(a), graph.settle(b)];
  if ([left, right].some(({ axes }) => axes.indexOf(0) > 0)) {
    throw operation.unsupported(
      `the batch is not the first axis of [${fileShape(left)}] or [${fileShape(right)}]`,
    );
  }
  const rank = Math.max(left.memory.length, right.memory.length);
  const [x, y] = [left, right].map((value) => {
    const missing = rank - value.memory.length;
    if (missing === 0) return value;
    return graph.view(
      operation,
      value,
      [-1, ...Array<number>(missing).fill(1), ...value.memory.slice(1)],
      range(rank),
      "broadcast",
    );
  });
  const axes = isBatchless(left) && isBatchless(right) ? range(rank - 1, 1) : range(rank);
  return { inputs: [x!.name, y!.name], axes };
}

/** The value with leading axes of size 1 up to `rank`, where it has no batch that would stand in front of them. */
function withRank(operation: Operation, graph: NetworkBuilder, x: Activation, rank: number): Activation {
  const missing = rank - x.axes.length;
  if (missing <= 0) return x;
  if (!isBatchless(x)) throw operation.unsupported(`it broadcasts [${fileShape(x)}] to ${rank} axes`);
  const settled = graph.settle(x);
  const memory = [-1, ...Array<number>(missing).fill(1), ...settled.memory.slice(1)];
  return graph.view(operation, settled, memory, range(rank, 1), "broadcast");
}
