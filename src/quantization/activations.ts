/** Activation quantizer: one learned step size a tensor (LSQ, Esser et al. 2020) with QDrop (Wei et al. 2022). */
import type { Tensor } from "@tensorflow/tfjs-core";
import { type QuantParams, quantRange } from "../ir/graph.ts";
import { fakeQuantize } from "../kernels/fakequant.ts";
import { createStepSize, type StepSize } from "./stepSize.ts";

export interface ActivationQuantizer {
  /** Step size s, [1]. */
  step: StepSize;
  /** v̂ for training, on the tape: each element stays float with probability `dropProbability`. */
  train(value: Tensor, dropProbability: number, seed: number, stream: number): Tensor;
  params(): QuantParams;
  dispose(): void;
}

/** Where a quantizer starts. */
export interface ActivationRange {
  /** Step size s. */
  step: number;
  /** Whether the grid has negative values. */
  signed: boolean;
}

export function createActivationQuantizer(bits: number, range: ActivationRange): ActivationQuantizer {
  const { signed } = range;
  const { qmin, qmax } = quantRange({ bits, signed });
  const step = createStepSize(Float32Array.of(range.step), bits);
  return {
    step,
    train: (value, dropProbability, seed, stream) =>
      fakeQuantize(value, step.values, { qmin, qmax, dropProbability, seed, stream }),
    params: () => ({
      bits,
      signed,
      perChannel: false,
      scale: step.numbers(),
      zeroPoint: Int32Array.of(0),
    }),
    dispose: () => step.dispose(),
  };
}
