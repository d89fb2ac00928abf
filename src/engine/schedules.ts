/** Learning-rate schedules as plain functions. */

/** Learning rate for an iteration (0-based), given the previous iteration's loss. */
export type Schedule = (iteration: number, previousLoss: number) => number;

export const constant =
  (learningRate: number): Schedule =>
  () =>
    learningRate;

/** lr · (1 + cos(π·t/T)) / 2 for t < T = `iterations`: from lr to 0 (SGDR without restarts, Loshchilov & Hutter 2017). */
export const cosineDecay =
  (learningRate: number, iterations: number): Schedule =>
  (iteration) =>
    (learningRate * (1 + Math.cos((Math.PI * Math.min(iteration, iterations)) / iterations))) / 2;

/** lr · factor^⌊t / every⌋. */
export const stepDecay =
  (learningRate: number, factor: number, every: number): Schedule =>
  (iteration) =>
    learningRate * factor ** Math.floor(iteration / every);

/**
 * Multiplies the rate by `factor` once the loss has not improved for more than `patience` iterations; never
 * below `minimum`. An improvement is a loss below (1 − threshold) · best, as in torch's ReduceLROnPlateau.
 */
export function reduceOnPlateau(
  learningRate: number,
  { factor = 0.1, patience = 100, minimum = 1e-4, threshold = 1e-4 } = {},
): Schedule {
  let rate = learningRate;
  let best = Number.POSITIVE_INFINITY;
  let stale = 0;
  return (iteration, previousLoss) => {
    if (iteration === 0) return rate;
    if (previousLoss < best * (1 - threshold)) {
      best = previousLoss;
      stale = 0;
    } else if (++stale > patience) {
      rate = Math.max(rate * factor, minimum);
      stale = 0;
    }
    return rate;
  };
}
