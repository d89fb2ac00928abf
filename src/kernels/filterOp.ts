/** An op of an input and a filter, on the tape with the filter learned or frozen. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { defineOp } from "./define.ts";

type Inputs = { x: Tensor; filter: Tensor };

/** The three passes of a convolution, off the tape. */
export interface FilterPasses<Attributes> {
  forward(x: Tensor, filter: Tensor, attributes: Attributes): Tensor;
  inputGradient(dy: Tensor, filter: Tensor, attributes: Attributes): Tensor;
  filterGradient(x: Tensor, dy: Tensor, attributes: Attributes): Tensor;
}

/**
 * Registers two ops that compute the same: `trainable` with both gradients, and `frozen` without the filter's,
 * which need not keep its input for it.
 */
export function defineFilterOp<Attributes extends object>(
  name: string,
  { forward, inputGradient, filterGradient }: FilterPasses<Attributes>,
): Record<"trainable" | "frozen", (inputs: Inputs, attributes: Attributes) => Tensor[]> {
  return {
    trainable: defineOp<Inputs, Attributes>({
      name,
      forward: ({ x, filter }, attributes) => forward(x, filter, attributes),
      gradient: {
        savedInputs: ["x", "filter"],
        backward: ([dy], [x, filter], attributes) => ({
          x: () => inputGradient(dy!, filter!, attributes),
          filter: () => filterGradient(x!, dy!, attributes),
        }),
      },
    }),
    frozen: defineOp<Inputs, Attributes>({
      name: `${name}Frozen`,
      forward: ({ x, filter }, attributes) => forward(x, filter, attributes),
      gradient: {
        savedInputs: ["filter"],
        backward: ([dy], [filter], attributes) => ({ x: () => inputGradient(dy!, filter!, attributes) }),
      },
    }),
  };
}
