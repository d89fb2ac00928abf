/** GENIE-M's weight quantizer: step size and rounding learned together (GENIE, section 4). */
import { keep, type Tensor, tensor, tensor1d, tidy } from "@tensorflow/tfjs-core";
import { download } from "../engine/feeds.ts";
import type { Constant, QuantizedTensor } from "../ir/graph.ts";
import { view } from "../kernels/heap.ts";
import { hardRound, initialLogits, softRound } from "../kernels/rounding.ts";
import { searchWeightScale } from "../kernels/scalesearch.ts";
import type { Grids } from "./feedback.ts";
import { createStepSize, type StepSize } from "./stepSize.ts";

export interface WeightQuantizer {
  /** Rounding logits V, the filter's shape. */
  logits: Tensor;
  /** Step sizes s, [channels]. */
  step: StepSize;
  /** ŵ with soft bits, on the tape, and the rounding regularizer Σ 1 − |2h(V) − 1|^β (0 unless `regularize`). */
  soft(beta: number, regularize: boolean): { weights: Tensor; regularizer: Tensor };
  bits: number;
  /** The grids as they are now. */
  grids(): Grids;
  /** Codes of these grids, 0 for w = 0, as integers. */
  encode(codes: Float32Array): QuantizedTensor;
  /** ŵ as integers, with the bits that V ≥ 0 decides. */
  harden(): QuantizedTensor;
  dispose(): void;
}

/**
 * Starts from the clip-ratio search: base B = ⌊w/s₀⌋ stays frozen with the initial s₀, and V gives h(V) the
 * fraction that the floor took, so that ŵ = w at first (where the grid does not clip).
 *
 * @param limit What is made of the steps that the search found.
 */
export function createWeightQuantizer(
  filter: Constant,
  channels: number,
  bits: number,
  symmetric: boolean,
  limit: (steps: Float32Array) => Float32Array = (steps) => steps,
): WeightQuantizer {
  const qmax = 2 ** bits - 1;
  const weights = tensor(filter.data, filter.shape as [number]);
  const found = searchWeightScale(weights, channels, bits, symmetric);
  const step = createStepSize(limit(found.step), bits);
  const zeroPoint = keep(tensor1d(Float32Array.from(found.zeroPoint)));
  const { base, logits } = tidy(() => {
    const initial = initialLogits(weights, step.values);
    return { base: keep(initial.base), logits: keep(initial.logits) };
  });
  weights.dispose();
  const zeros = view(zeroPoint).slice();
  // Symmetric weights go on the signed grid, where their zero point is 0.
  const offset = symmetric ? 2 ** (bits - 1) : 0;
  const encode = (codes: Float32Array): QuantizedTensor => ({
    shape: filter.shape,
    data: Int16Array.from(codes, (code, i) => code + zeros[i % channels]! - offset),
    params: {
      bits,
      signed: symmetric,
      perChannel: true,
      scale: step.numbers(),
      zeroPoint: Int32Array.from(zeros, (zero) => zero - offset),
    },
  });
  return {
    logits,
    step,
    bits,
    soft: (beta, regularize) => softRound(logits, step.values, base, zeroPoint, { qmax, beta, regularize }),
    grids: () => ({
      step: step.numbers(),
      least: zeros.map((zero) => -zero),
      most: zeros.map((zero) => qmax - zero),
    }),
    encode,
    harden: () => {
      const codes = download(() => hardRound(logits, base, zeroPoint, qmax));
      return encode(codes.map((code, i) => code - zeros[i % channels]!));
    },
    dispose: () => {
      for (const item of [logits, base, zeroPoint]) item.dispose();
      step.dispose();
    },
  };
}
