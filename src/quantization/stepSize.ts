/** Step sizes as Adam learns them. */
import { keep, type Tensor, tensor1d } from "@tensorflow/tfjs-core";
import { view } from "../kernels/heap.ts";
import { scaleShift } from "../kernels/normalize.ts";

export interface StepSize {
  /** What Adam moves, [channels]. */
  parameter: Tensor;
  /** The step sizes s > 0 on the tape, [channels]. */
  value(): Tensor;
  /** The step sizes now. */
  numbers(): Float32Array<ArrayBuffer>;
  /** To be called before training with this (highest) learning rate. */
  pace(learningRate: number): void;
  dispose(): void;
}

/** How far, in steps, one iteration may move the largest of 2^bits codes. */
const LARGEST_MOVE = 0.05;

/**
 * Step sizes s that start at s₀ and follow the learned parameter p (p₀ = s₀), at most as fast as they can bear:
 *
 * s = s₀ + k·(p − s₀),  k = min(1, 0.05·s₀/(2^bits·learningRate)) by channel.
 *
 * Adam moves p by about the learning rate in each iteration, whatever the gradient's size. The published 1e-4 is some
 * 0.3 % of a 4-bit step size, and then k = 1: p is the step size itself. It is 4 % and more of an 8-bit one, and all
 * of it where weights are small, as behind pixels of 0…255: ResNet-8 at W8A8 fell from 77.1 % to 60.2 % in 20 iterations.
 */
export function createStepSize(initial: Float32Array, bits: number): StepSize {
  const parameter = keep(tensor1d(initial));
  let follow: { gain: Tensor; rest: Tensor } | undefined;
  const value = (): Tensor => (follow ? scaleShift(parameter, follow.gain, follow.rest) : parameter);
  const release = (): void => {
    follow?.gain.dispose();
    follow?.rest.dispose();
    follow = undefined;
  };
  return {
    parameter,
    value,
    numbers() {
      const current = value();
      const numbers = view(current).slice();
      if (current !== parameter) current.dispose();
      return numbers;
    },
    pace(learningRate) {
      release();
      const gains = initial.map((step) => Math.min(1, (LARGEST_MOVE * step) / (2 ** bits * learningRate)));
      if (gains.every((gain) => gain === 1)) return;
      follow = {
        gain: keep(tensor1d(gains)),
        rest: keep(tensor1d(initial.map((step, c) => step * (1 - gains[c]!)))),
      };
    },
    dispose() {
      release();
      parameter.dispose();
    },
  };
}
