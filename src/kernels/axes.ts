/** Sums, means, maxima and minima over axes, off the tape. */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { ReduceNode } from "../ir/graph.ts";
import { address, emptyTensor, kernels, share } from "./heap.ts";

/** A run of neighbouring axes, with the elements in front of, in and behind it. */
interface Run {
  outer: number;
  size: number;
  inner: number;
}

/** The reduction of x over `axes`, in `shape`: that of x without them, or with 1 in their place. */
export function reduceAxes(
  kind: ReduceNode["kind"],
  x: Tensor,
  axes: readonly number[],
  shape: readonly number[],
): Tensor {
  const runs = runsOf(x.shape, axes);
  if (runs.length === 0) return share(x, shape);
  const count = runs.reduce((product, { size }) => product * size, 1);
  let value = x;
  for (const [index, { outer, size, inner }] of runs.entries()) {
    const isLast = index === runs.length - 1;
    const y = emptyTensor(isLast ? shape : [outer, inner]);
    if (kind === "sum" || kind === "mean") {
      const factor = isLast && kind === "mean" ? 1 / count : 1;
      kernels().sumAxis(address(value), address(y), outer, size, inner, factor);
    } else {
      kernels().extremeAxis(address(value), address(y), outer, size, inner, kind === "max");
    }
    if (value !== x) value.dispose();
    value = y;
  }
  return value;
}

/** The axes as runs, the last one first: each sees those behind it reduced already. */
function runsOf(shape: readonly number[], axes: readonly number[]): Run[] {
  const count = (sizes: readonly number[]) => sizes.reduce((product, size) => product * size, 1);
  const runs: Run[] = [];
  let inner = 1;
  for (let end = shape.length; end > 0; ) {
    if (!axes.includes(end - 1)) {
      inner *= shape[--end]!;
      continue;
    }
    let begin = end - 1;
    while (begin > 0 && axes.includes(begin - 1)) begin--;
    const size = count(shape.slice(begin, end));
    if (size > 1) runs.push({ outer: count(shape.slice(0, begin)), size, inner });
    end = begin;
  }
  return runs;
}
