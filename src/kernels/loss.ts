/** Losses as scalars. */
import type { NamedTensorMap, Tensor } from "@tensorflow/tfjs-core";
import { defineOp } from "./define.ts";
import { address, emptyTensor, kernels, view } from "./heap.ts";

const squaredErrorOp = defineOp<{ a: Tensor; b: Tensor }, { weight: number }>({
  name: "SquaredError",
  forward: ({ a, b }, { weight }) =>
    scalar(weight * kernels().squaredErrorSum(address(a), address(b), a.size)),
  gradient: {
    savedInputs: ["a", "b"],
    backward: ([dy], [a, b], { weight }) => ({
      a: () => {
        const factor = 2 * weight * view(dy!)[0]!;
        const da = emptyTensor(a!.shape);
        kernels().scaledDifference(address(a!), address(b!), address(da), a!.size, factor);
        return da;
      },
    }),
  },
});

/**
 * weight · Σ (a − b)², a scalar; gradient 2·weight·(a − b) to a only, b is a constant target.
 *
 * Summed in f32 over 1024 elements and in f64 beyond, in an order that depends on the size alone.
 *
 * @param a any shape
 * @param b the shape of a
 */
export function squaredError(a: Tensor, b: Tensor, weight: number): Tensor {
  return squaredErrorOp({ a, b }, { weight })[0]!;
}

const weightedSum = defineOp<NamedTensorMap, { weights: number[] }>({
  name: "SumScalars",
  forward: (inputs, { weights }) =>
    scalar(weights.reduce((sum, weight, i) => sum + weight * view(inputs[i]!)[0]!, 0)),
  gradient: {
    backward: ([dy], _saved, { weights }) =>
      Object.fromEntries(weights.map((weight, i) => [i, () => scalar(weight * view(dy!)[0]!)])),
  },
});

/** tfjs's `scalar` without its way through arrays of any kind. */
function scalar(value: number): Tensor {
  const out = emptyTensor([]);
  view(out)[0] = value;
  return out;
}

/** Σ weight · value over scalars, added up in f64; gradient weight to each value. */
export function sumScalars(terms: readonly { value: Tensor; weight: number }[]): Tensor {
  const inputs = Object.fromEntries(terms.map(({ value }, i) => [i, value]));
  return weightedSum(inputs, { weights: terms.map(({ weight }) => weight) })[0]!;
}
