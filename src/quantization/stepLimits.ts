/** Weight steps in which biases can be counted. */
import type { Constant } from "../ir/graph.ts";
import { LARGEST_CODE } from "../ir/integerBiases.ts";

/** Steps that a bias is at first, at most: it is corrected and steps are learned. */
const MOST_STEPS = LARGEST_CODE / 2;

/** Products of smaller steps near the denormals. */
const LEAST_PRODUCT = 2 ** -120;

/** Steps of the layer's largest bias, for channels of zeros. */
const FINE_STEPS = 2 ** 20;

/**
 * The steps s[o] where the bias b[o] is a number of s[o]·unit that 32 bits hold, else larger ones that it is. So are those
 * of dead channels, where a BatchNorm of variance 0 left weights of 10⁻¹³: what their weights lose is less than a float32
 * of the size of b[o] can show.
 *
 * A channel of zeros has no step of its own (the search says 1): it gets one that the biases of its layer are fine in.
 *
 * @param filter [..., O]
 * @param bias [O]
 * @param unit Step of the layer's input, and what a byte's share of the weight's is: a bias counts s[o]·unit.
 */
export function limitSteps(
  steps: Float32Array,
  filter: Constant,
  bias: Float32Array,
  unit: number,
): Float32Array {
  const isUsed = new Array<boolean>(steps.length).fill(false);
  filter.data.forEach((weight, i) => {
    if (weight !== 0) isUsed[i % steps.length] = true;
  });
  const largest = bias.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return steps.map((step, o) => {
    const least = Math.max(Math.abs(bias[o]!) / MOST_STEPS, LEAST_PRODUCT) / unit;
    const own = isUsed[o] || largest === 0 ? step : largest / FINE_STEPS / unit;
    return Math.max(own, least);
  });
}
