/** Step sizes as Adam learns them. */
import { keep, type Tensor, tensor1d } from "@tensorflow/tfjs-core";
import { view } from "../kernels/heap.ts";

export interface StepSize {
  /** The step sizes s > 0, [channels], which Adam moves. */
  values: Tensor;
  /** The same as numbers. */
  numbers(): Float32Array<ArrayBuffer>;
  /** Factors of this (highest) learning rate that the step sizes can bear, [channels]; undefined where all are 1. */
  pace(learningRate: number): Tensor | undefined;
  dispose(): void;
}

/** How far, in steps, one iteration may move the largest of 2^bits codes. */
const LARGEST_MOVE = 0.05;

/**
 * Step sizes s that start at s₀ and are learned at most as fast as they can bear, with the learning rate times
 *
 * min(1, 0.05·s₀/(2^bits·learningRate)) by channel.
 *
 * Adam moves s by about the learning rate in each iteration, whatever the gradient's size. The published 1e-4 is some
 * 0.3 % of a 4-bit step size, and then the factor is 1. It is 4 % and more of an 8-bit one, and all of it where weights
 * are small, as behind pixels of 0…255: ResNet-8 at W8A8 fell from 77.1 % to 60.2 % in 20 iterations.
 */
export function createStepSize(initial: Float32Array, bits: number): StepSize {
  const values = keep(tensor1d(initial));
  let factors: Tensor | undefined;
  return {
    values,
    numbers: () => view(values).slice(),
    pace(learningRate) {
      factors?.dispose();
      const bearable = initial.map((step) => Math.min(1, (LARGEST_MOVE * step) / (2 ** bits * learningRate)));
      factors = bearable.every((factor) => factor === 1) ? undefined : keep(tensor1d(bearable));
      return factors;
    },
    dispose() {
      values.dispose();
      factors?.dispose();
    },
  };
}
