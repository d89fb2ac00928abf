/** GENIE-M's weight quantizer: step size and rounding learned together (GENIE, section 4). */
import { keep, type Tensor, tensor, tensor1d, tidy } from "@tensorflow/tfjs-core";
import { download } from "../engine/feeds.ts";
import type { Constant, QuantizedTensor } from "../ir/graph.ts";
import { view } from "../kernels/heap.ts";
import { hardRound, initialLogits, softRound } from "../kernels/rounding.ts";
import { searchWeightScale } from "../kernels/scalesearch.ts";
import { createStepSize, type StepSize } from "./stepSize.ts";

export interface WeightQuantizer {
  /** Rounding logits V, the filter's shape. */
  logits: Tensor;
  /** Step sizes s, [channels]. */
  step: StepSize;
  /** ŵ with soft bits, on the tape, and the rounding regularizer Σ 1 − |2h(V) − 1|^β (0 unless `regularize`). */
  soft(beta: number, regularize: boolean): { weights: Tensor; regularizer: Tensor };
  /** ŵ as integers, with the bits that V ≥ 0 decides. */
  harden(): QuantizedTensor;
  dispose(): void;
}

/**
 * Starts from the clip-ratio search: base B = ⌊w/s₀⌋ stays frozen with the initial s₀, and V gives h(V) the
 * fraction that the floor took, so that ŵ = w at first (where the grid does not clip).
 */
export function createWeightQuantizer(
  filter: Constant,
  channels: number,
  bits: number,
  symmetric: boolean,
): WeightQuantizer {
  const qmax = 2 ** bits - 1;
  const weights = tensor(filter.data, filter.shape as [number]);
  const found = searchWeightScale(weights, channels, bits, symmetric);
  const step = createStepSize(found.step, bits);
  const zeroPoint = keep(tensor1d(Float32Array.from(found.zeroPoint)));
  const { base, logits } = tidy(() => {
    const initial = initialLogits(weights, step.value());
    return { base: keep(initial.base), logits: keep(initial.logits) };
  });
  weights.dispose();
  return {
    logits,
    step,
    soft: (beta, regularize) => softRound(logits, step.value(), base, zeroPoint, { qmax, beta, regularize }),
    harden: () => {
      const codes = download(() => hardRound(logits, base, zeroPoint, qmax));
      // Symmetric weights go on the signed grid, where their zero point is 0.
      const offset = symmetric ? 2 ** (bits - 1) : 0;
      return {
        shape: filter.shape,
        data: new Int16Array(codes).map((code) => code - offset),
        params: {
          bits,
          signed: symmetric,
          perChannel: true,
          scale: step.numbers(),
          zeroPoint: Int32Array.from(view(zeroPoint), (zero) => zero - offset),
        },
      };
    },
    dispose: () => {
      for (const item of [logits, base, zeroPoint]) item.dispose();
      step.dispose();
    },
  };
}
