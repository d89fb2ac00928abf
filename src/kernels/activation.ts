/** Activations as the wasm side knows them (`assembly/training/` has the same codes in `activation.ts` and `curves.ts`). */
import type { Activation } from "../ir/graph.ts";

/** A code and its two parameters. */
export interface ActivationCode {
  kind: number;
  p0: number;
  p1: number;
}

const NONE = 0;
const RELU = 1;
const CLIP = 2;
const LEAKY_RELU = 3;
const SIGMOID = 4;
const TANH = 5;
const HARD_SIGMOID = 6;
const HARD_SWISH = 7;
const EXP = 8;
const LOG = 9;
const SQRT = 10;
const ABS = 11;
const RECIPROCAL = 12;
const ERF = 13;
const ELU = 14;
const SELU = 15;
const GELU = 16;
const GELU_TANH = 17;
const SILU = 18;
const MISH = 19;
const SOFTPLUS = 20;
const SOFTSIGN = 21;
const THRESHOLDED_RELU = 22;

/** The codes of activations without parameters. */
const PLAIN = {
  relu: RELU,
  sigmoid: SIGMOID,
  tanh: TANH,
  hardSwish: HARD_SWISH,
  exp: EXP,
  log: LOG,
  sqrt: SQRT,
  abs: ABS,
  reciprocal: RECIPROCAL,
  erf: ERF,
  silu: SILU,
  mish: MISH,
  softplus: SOFTPLUS,
  softsign: SOFTSIGN,
} as const;

/** The code of an activation; without one, of the identity. */
export function activationCode(activation: Activation | undefined): ActivationCode {
  if (!activation) return { kind: NONE, p0: 0, p1: 0 };
  switch (activation.kind) {
    case "clip":
      return { kind: CLIP, p0: activation.min, p1: activation.max };
    case "leakyRelu":
      return { kind: LEAKY_RELU, p0: activation.alpha, p1: 0 };
    case "hardSigmoid":
      return { kind: HARD_SIGMOID, p0: activation.alpha, p1: activation.beta };
    case "elu":
      return { kind: ELU, p0: activation.alpha, p1: 0 };
    case "selu":
      return { kind: SELU, p0: activation.alpha, p1: activation.gamma };
    case "gelu":
      return { kind: activation.approximate === "tanh" ? GELU_TANH : GELU, p0: 0, p1: 0 };
    case "thresholdedRelu":
      return { kind: THRESHOLDED_RELU, p0: activation.alpha, p1: 0 };
    default:
      return { kind: PLAIN[activation.kind], p0: 0, p1: 0 };
  }
}

/** Whether the code stands for no activation at all. */
export function isIdentity({ kind }: ActivationCode): boolean {
  return kind === NONE;
}

/**
 * Whether the kernels tell the derivative of the activation from its output: not where two inputs share one, nor for
 * those that are rarely fused to a sum.
 */
export function isKnownByOutput({ kind, p0 }: ActivationCode): boolean {
  return kind < HARD_SWISH && !(kind === LEAKY_RELU && p0 < 0);
}
