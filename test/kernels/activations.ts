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
];

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
  }
}
