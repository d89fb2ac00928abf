/** The activations in float64. */
import type { Activation } from "../../src/ir/graph.ts";

export const ACTIVATIONS: (Activation | undefined)[] = [
  undefined,
  { kind: "relu" },
  { kind: "clip", min: -0.5, max: 1 },
  { kind: "leakyRelu", alpha: 0.2 },
  { kind: "sigmoid" },
  { kind: "tanh" },
  { kind: "hardSigmoid", alpha: 0.3, beta: 0.4 },
  { kind: "hardSwish" },
  { kind: "exp" },
  { kind: "abs" },
  { kind: "erf" },
  { kind: "elu", alpha: 0.7 },
  { kind: "selu", alpha: 1.6732632, gamma: 1.050701 },
  { kind: "gelu", approximate: "none" },
  { kind: "gelu", approximate: "tanh" },
  { kind: "silu" },
  { kind: "mish" },
  { kind: "softplus" },
  { kind: "softsign" },
  { kind: "thresholdedRelu", alpha: 0.3 },
];

/** Those that are defined, or steep, on one side of 0 only. */
export const POSITIVE_ACTIVATIONS: Activation[] = [{ kind: "log" }, { kind: "sqrt" }, { kind: "reciprocal" }];

export function naiveActivation(activation: Activation | undefined, z: number): number {
  const clip = (value: number, low: number, high: number) => Math.min(Math.max(value, low), high);
  switch (activation?.kind) {
    case undefined:
      return z;
    case "relu":
      return Math.max(z, 0);
    case "clip":
      return clip(z, activation.min, activation.max);
    case "leakyRelu":
      return z >= 0 ? z : activation.alpha * z;
    case "sigmoid":
      return 1 / (1 + Math.exp(-z));
    case "tanh":
      return Math.tanh(z);
    case "hardSigmoid":
      return clip(activation.alpha * z + activation.beta, 0, 1);
    case "hardSwish":
      return z * clip(z / 6 + 0.5, 0, 1);
    case "exp":
    case "log":
    case "sqrt":
    case "abs":
      return Math[activation.kind](z);
    case "reciprocal":
      return 1 / z;
    case "erf":
      return naiveErf(z);
    case "elu":
      return z >= 0 ? z : activation.alpha * Math.expm1(z);
    case "selu":
      return activation.gamma * (z >= 0 ? z : activation.alpha * Math.expm1(z));
    case "gelu":
      return activation.approximate === "tanh"
        ? (z / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (z + 0.044715 * z ** 3)))
        : (z / 2) * (1 + naiveErf(z / Math.SQRT2));
    case "silu":
      return z / (1 + Math.exp(-z));
    case "mish":
      return z * Math.tanh(Math.log1p(Math.exp(z)));
    case "softplus":
      return Math.log1p(Math.exp(z));
    case "softsign":
      return z / (1 + Math.abs(z));
    case "thresholdedRelu":
      return z > activation.alpha ? z : 0;
  }
}

/** 2/√π · Σ (−1)ⁿ x²ⁿ⁺¹ / (n!·(2n + 1)), by e^(−x²)·Σ 2ⁿ x²ⁿ⁺¹ / (2n + 1)!!, whose terms are all positive. */
export function naiveErf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}
