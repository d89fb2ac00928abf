/** Adam (Kingma and Ba, 2015) in place, one pass over parameter, moments and gradient. */
import { type Tensor, zeros } from "@tensorflow/tfjs-core";
import { GenieError } from "../errors.ts";
import { address, kernels } from "./heap.ts";

/** First and second moment of one parameter, of its shape. */
export interface AdamState {
  m: Tensor;
  v: Tensor;
}

export interface AdamOptions {
  /** t, from 1. */
  step: number;
  learningRate: number;
  /** Factors of the learning rate, of the parameter's shape; 1 if left out. */
  factors?: Tensor | undefined;
  beta1?: number;
  beta2?: number;
  epsilon?: number;
}

/** Moments of a parameter before the first step: zeros. The caller keeps and disposes them. */
export function adamState(shape: readonly number[]): AdamState {
  return { m: zeros([...shape]), v: zeros([...shape]) };
}

/**
 * One step of torch.optim.Adam, writing `parameter` and `state` where they are:
 * m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², p ← p − lr·factor/(1 − β₁ᵗ) · m / (√v/√(1 − β₂ᵗ) + ε).
 *
 * Clones of these tensors share their memory and see the new values.
 *
 * @throws GenieError `invalid-data` where the sizes differ, `invalid-option` for a step below 1.
 */
export function adamUpdate(
  parameter: Tensor,
  state: AdamState,
  gradient: Tensor,
  options: AdamOptions,
): void {
  const { step, learningRate, factors, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = options;
  const { size } = parameter;
  if ([gradient, state.m, state.v, factors ?? gradient].some((other) => other.size !== size)) {
    throw new GenieError(
      "invalid-data",
      `Adam on [${parameter.shape}] with a gradient [${gradient.shape}] and moments [${state.m.shape}]` +
        (factors ? `, factors [${factors.shape}]` : ""),
    );
  }
  if (!(Number.isInteger(step) && step >= 1)) {
    throw new GenieError("invalid-option", `Adam counts its steps from 1; this one is ${step}`);
  }
  kernels().adamUpdate(
    address(parameter),
    address(state.m),
    address(state.v),
    address(gradient),
    factors ? address(factors) : 0,
    size,
    learningRate / (1 - integerPower(beta1, step)),
    1 / Math.sqrt(1 - integerPower(beta2, step)),
    beta1,
    1 - beta1,
    beta2,
    1 - beta2,
    epsilon,
  );
}

/** baseⁿ by squaring: engines may differ in the last bits of `**`, products are the same everywhere. */
function integerPower(base: number, n: number): number {
  let power = 1;
  let square = base;
  for (let rest = n; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) power *= square;
    square *= square;
  }
  return power;
}
