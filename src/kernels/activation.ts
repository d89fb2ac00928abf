/** Activations as the wasm side knows them (`assembly/activation.ts` has the same list of codes). */
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

/** The code of an activation; without one, of the identity. */
export function activationCode(activation: Activation | undefined): ActivationCode {
  if (!activation) return { kind: NONE, p0: 0, p1: 0 };
  switch (activation.kind) {
    case "relu":
      return { kind: RELU, p0: 0, p1: 0 };
    case "clip":
      return { kind: CLIP, p0: activation.min, p1: activation.max };
    case "leakyRelu":
      return { kind: LEAKY_RELU, p0: activation.alpha, p1: 0 };
    case "sigmoid":
      return { kind: SIGMOID, p0: 0, p1: 0 };
    case "tanh":
      return { kind: TANH, p0: 0, p1: 0 };
    case "hardSigmoid":
      return { kind: HARD_SIGMOID, p0: activation.alpha, p1: activation.beta };
    case "hardSwish":
      return { kind: HARD_SWISH, p0: 0, p1: 0 };
  }
}

/** Whether the code stands for no activation at all. */
export function isIdentity({ kind }: ActivationCode): boolean {
  return kind === NONE;
}

/** Whether the derivative of the activation is a function of its output: not where two inputs share one. */
export function isKnownByOutput({ kind, p0 }: ActivationCode): boolean {
  return kind !== HARD_SWISH && !(kind === LEAKY_RELU && p0 < 0);
}
