/** Sums, means, maxima and minima over axes, differentiable. */
import { type Tensor, tensor1d } from "@tensorflow/tfjs-core";
import type { ReduceNode } from "../ir/graph.ts";
import { reduceAxes } from "./axes.ts";
import { broadcastTo, combine } from "./broadcast.ts";
import { defineOp } from "./define.ts";

interface Attributes {
  kind: ReduceNode["kind"];
  axes: number[];
  /** Of x, and of the result. */
  shape: number[];
  kept: number[];
}

function forward({ x }: { x: Tensor }, { kind, axes, kept }: Attributes): Tensor {
  return reduceAxes(kind, x, axes, kept);
}

const linear = defineOp<{ x: Tensor }, Attributes>({
  name: "Sum",
  forward,
  gradient: {
    backward: ([dy], _saved, { kind, axes, shape }) => ({
      x: () => {
        if (kind === "sum") return broadcastTo(dy!, shape);
        const count = axes.reduce((product, axis) => product * shape[axis]!, 1);
        const weight = tensor1d([1 / count]);
        const share = combine("multiply", dy!, weight);
        const dx = broadcastTo(share, shape);
        for (const value of [weight, share]) value.dispose();
        return dx;
      },
    }),
  },
});

const extreme = defineOp<{ x: Tensor }, Attributes>({
  name: "Extreme",
  forward,
  gradient: {
    savedInputs: ["x"],
    savedOutputs: [true],
    backward: ([dy], [x, y]) => ({
      x: () => {
        const isChosen = combine("equal", x!, y!);
        const dx = combine("multiply", isChosen, dy!);
        isChosen.dispose();
        return dx;
      },
    }),
  },
});

/**
 * Over all of `axes`, which stay as dimensions of 1. Gradient to x; of a maximum or minimum, to every element that is
 * it.
 */
export function reduce(x: Tensor, kind: ReduceNode["kind"], axes: readonly number[]): Tensor {
  const positive = axes.map((axis) => (axis < 0 ? axis + x.rank : axis));
  const kept = x.shape.map((size, axis) => (positive.includes(axis) ? 1 : size));
  const op = kind === "sum" || kind === "mean" ? linear : extreme;
  return op({ x }, { kind, axes: positive, shape: x.shape, kept })[0]!;
}
