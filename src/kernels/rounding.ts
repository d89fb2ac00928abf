/** GENIE-M's weight quantizer: step size and rounding learned together while the base stays frozen. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { GenieError } from "../errors.ts";
import { defineOp } from "./define.ts";
import { address, emptyTensor, kernels } from "./heap.ts";
import { channelScratch } from "./rows.ts";

export interface SoftRoundOptions {
  /** Greatest code, 2ᵇ − 1. */
  qmax: number;
  /** β of the regularizer, ≥ 2. */
  beta: number;
  /** Whether the regularizer is computed; without it (warm-up) it is 0. */
  regularize: boolean;
}

/** β = 0 tells the kernels to leave the regularizer out. */
interface Attributes {
  qmax: number;
  beta: number;
}

interface Inputs extends Record<string, Tensor> {
  logits: Tensor;
  step: Tensor;
  base: Tensor;
  zeroPoint: Tensor;
}

const softRoundOp = defineOp<Inputs, Attributes>({
  name: "SoftRound",
  forward: ({ logits, step, base, zeroPoint }, { qmax, beta }) => {
    const weights = emptyTensor(logits.shape);
    const regularizer = emptyTensor([]);
    const tables = channelScratch(step.size, 2);
    kernels().softRound(
      address(logits),
      address(step),
      address(base),
      address(zeroPoint),
      address(weights),
      address(regularizer),
      logits.size,
      step.size,
      qmax,
      beta,
      tables,
    );
    return [weights, regularizer];
  },
  gradient: {
    savedInputs: ["logits", "step", "base", "zeroPoint"],
    backward: ([dWeights, dRegularizer], [logits, step, base, zeroPoint], { qmax, beta }) => {
      const dLogits = emptyTensor(logits!.shape);
      const dStep = emptyTensor(step!.shape);
      const tables = channelScratch(step!.size, 5);
      kernels().softRoundGradient(
        address(logits!),
        address(step!),
        address(base!),
        address(zeroPoint!),
        address(dWeights!),
        address(dRegularizer!),
        address(dLogits),
        address(dStep),
        logits!.size,
        step!.size,
        qmax,
        beta,
        tables,
      );
      return { logits: () => dLogits, step: () => dStep };
    },
  },
});

/**
 * h(V) = clip(1.2·sigmoid(V) − 0.1, 0, 1), ŵ = s·(clip(B + h(V) + z, 0, qmax) − z), and the regularizer
 * Σ (1 − |2h(V) − 1|^β).
 *
 * Gradients, both in one pass: ∂ŵ/∂s = clip(…) − z; ∂ŵ/∂V = s·h′(V) where the clip is open;
 * ∂R/∂V = −2β·|2h − 1|^(β−1)·sign(2h − 1)·h′(V); h′ = 0 where h's own clip is active.
 *
 * @param logits V [..., O], the output channel last
 * @param step s [O], > 0
 * @param base B, integers ⌊w/s₀⌋ of the shape of V
 * @param zeroPoint z [O], integers
 * @returns weights ŵ of the shape of V and regularizer [], both differentiable to logits and step
 * @throws GenieError `invalid-data` where the shapes do not fit, `invalid-option` where β < 2.
 */
export function softRound(
  logits: Tensor,
  step: Tensor,
  base: Tensor,
  zeroPoint: Tensor,
  options: SoftRoundOptions,
): { weights: Tensor; regularizer: Tensor } {
  const { qmax, beta, regularize } = options;
  requireChannels(logits, step);
  requireFit(logits, base, step, zeroPoint);
  if (!(beta >= 2)) throw new GenieError("invalid-option", `β is at least 2, not ${beta}`);
  const inputs = { logits, step, base, zeroPoint };
  const [weights, regularizer] = softRoundOp(inputs, { qmax, beta: regularize ? beta : 0 });
  return { weights: weights!, regularizer: regularizer! };
}

/**
 * What the training decided: codes clip(B + 1[V ≥ 0] + z, 0, qmax), as floats. Not differentiable; shapes as in
 * `softRound`.
 */
export function hardRound(logits: Tensor, base: Tensor, zeroPoint: Tensor, qmax: number): Tensor {
  requireChannels(logits, zeroPoint);
  requireFit(logits, base, zeroPoint);
  const codes = emptyTensor(logits.shape);
  kernels().hardRound(
    address(logits),
    address(base),
    address(zeroPoint),
    address(codes),
    logits.size,
    zeroPoint.size,
    qmax,
    channelScratch(zeroPoint.size, 1),
  );
  return codes;
}

/**
 * The start of training: base ⌊w/s⌋, and logits V = −ln(1.2/(f + 0.1) − 1) for which h(V) is the fraction
 * f = w/s − ⌊w/s⌋. Not differentiable.
 *
 * @param weights w [..., O]
 * @param step s₀ [O], > 0
 */
export function initialLogits(weights: Tensor, step: Tensor): { base: Tensor; logits: Tensor } {
  requireChannels(weights, step);
  const base = emptyTensor(weights.shape);
  const logits = emptyTensor(weights.shape);
  const tables = channelScratch(step.size, 1);
  kernels().initialLogits(
    address(weights),
    address(step),
    address(base),
    address(logits),
    weights.size,
    step.size,
    tables,
  );
  return { base, logits };
}

function requireChannels(weights: Tensor, step: Tensor): void {
  if (weights.size % step.size !== 0) {
    throw new GenieError("invalid-data", `weights [${weights.shape}] do not have ${step.size} channels`);
  }
}

/** @param byChannel Step sizes and zero points. */
function requireFit(logits: Tensor, base: Tensor, ...byChannel: Tensor[]): void {
  if (base.size !== logits.size || byChannel.some(({ size }) => size !== byChannel[0]!.size)) {
    const shapes = byChannel.map(({ shape }) => `[${shape}]`).join(", ");
    throw new GenieError(
      "invalid-data",
      `logits [${logits.shape}], base [${base.shape}], by channel ${shapes}`,
    );
  }
}
