/** GENIE-M's training of one unit (GENIE, section 4; AdaRound's regularizer, Nagel et al. 2020; QDrop). */
import type { Tensor } from "@tensorflow/tfjs-core";
import { type Collective, shareStart } from "../engine/collective.ts";
import { gather, valuesNamed } from "../engine/feeds.ts";
import { adam, type ParameterGroup } from "../engine/optimize.ts";
import type { Tap } from "../engine/run.ts";
import { constant, cosineDecay } from "../engine/schedules.ts";
import { GenieError } from "../errors.ts";
import { countOf, type Values } from "../images.ts";
import { mixInputs } from "../kernels/fakequant.ts";
import { view } from "../kernels/heap.ts";
import { squaredError, sumScalars } from "../kernels/loss.ts";
import { randomPermutation } from "../kernels/random.ts";
import type { ReconstructionSettings } from "./options.ts";
import type { StepSize } from "./stepSize.ts";
import { trainingForward, type Unit } from "./unit.ts";

/** What a unit is trained on: inputs in the float model and in the quantized one, and float outputs. */
export interface UnitData {
  x: Values;
  quantizedX: Values;
  y: Values;
}

/** Factor that makes a sum of squares the mean over N, H, W of the sum over channels, for outputs [N, …, C]. */
export function errorWeight(shape: readonly number[]): number {
  return shape.at(-1)! / shape.reduce((product, size) => product * size, 1);
}

/** β of the regularizer: off (null) during the warm-up, then linear from the first value to the last. */
export function betaAt(
  iteration: number,
  { iterations, warmup, beta: [first, last] }: Pick<ReconstructionSettings, "iterations" | "warmup" | "beta">,
): number | null {
  const start = warmup * iterations;
  if (iteration < start) return null;
  return last + (first - last) * Math.max(0, 1 - (iteration - start) / (iterations - start));
}

/**
 * Learns V and s of every filter and s of every activation of the unit, in place:
 * min ‖ŷ − y‖² (summed over channels, averaged over the rest, and summed over outputs where there are several)
 *   + roundingWeight · Σ (1 − |2h(V) − 1|^β).
 *
 * Several members train it together: each on its share of every batch, drawn from its own images, with their
 * gradients added up.
 *
 * @param data This member's images.
 * @param unitSeed Of this unit: draws of batches, QDrop masks and input mixes come from it.
 * @param afterIteration Awaited after each iteration with the iteration's (0-based) reconstruction loss, that of
 *   this member's share.
 */
export async function trainUnit(
  unit: Unit,
  { x, quantizedX, y }: UnitData,
  settings: ReconstructionSettings,
  unitSeed: number,
  collective: Collective,
  afterIteration: (iteration: number, loss: number) => Promise<void>,
): Promise<void> {
  const { iterations, dropProbability } = settings;
  const { rank, size } = collective;
  // Members draw apart; each counts its part of the regularizer and of the batch's mean.
  const seed = (unitSeed + Math.imul(rank, 0x85ebca6b)) >>> 0;
  const roundingWeight = settings.roundingWeight / size;
  const shareOf = (member: number): number =>
    shareStart(settings.batchSize, member + 1, size) - shareStart(settings.batchSize, member, size);
  const batchShare = shareOf(rank) / settings.batchSize;
  const weights = [...unit.weights.values()];
  const activations = [...unit.activations.values()];
  const optimizer = adam(
    [
      { parameters: weights.map(({ logits }) => logits), schedule: constant(settings.roundingLearningRate) },
      stepGroup(settings.learnStepSize ? weights : [], settings.weightStepLearningRate, iterations),
      stepGroup(activations, settings.activationStepLearningRate, iterations),
    ],
    collective,
  );
  const inputs = unit.graph.inputs.map(({ name }) => name);
  const nextBatch = shuffledBatches(countOf(x), shareOf(rank), seed);
  // One stream for the mix of each input and one for each activation's mask, fresh each iteration.
  const streams = inputs.length + activations.length;
  try {
    for (let iteration = 0; iteration < iterations; iteration++) {
      const indices = nextBatch();
      const beta = betaAt(iteration, settings);
      let reconstruction = Number.NaN;
      await optimizer.step(() => {
        const soft = [...unit.weights].map(([name, quantizer]) => ({
          name,
          ...quantizer.soft(beta ?? settings.beta[1], beta !== null),
        }));
        const stream = iteration * streams;
        const mix = (name: string, index: number): Tensor => {
          const [own, other] = [valuesNamed(x, name), valuesNamed(quantizedX, name)];
          const float = gather(own, indices);
          if (own === other) return float;
          return mixInputs(float, gather(other, indices), 1 - dropProbability, seed, stream + index);
        };
        const taps = [...unit.activations].map(([name, quantizer], index): [string, Tap] => [
          name,
          (value) => quantizer.train(value, dropProbability, seed, stream + inputs.length + index),
        ]);
        const outputs = trainingForward(
          unit,
          new Map(inputs.map((name, index) => [name, mix(name, index)])),
          new Map(soft.map(({ name, weights }) => [name, weights])),
          new Map(taps),
        );
        const errors = [...outputs].map(([name, output]) =>
          squaredError(output, gather(valuesNamed(y, name), indices), batchShare * errorWeight(output.shape)),
        );
        reconstruction = errors.reduce((sum, error) => sum + view(error)[0]!, 0) / batchShare;
        const terms: { value: Tensor; weight: number }[] = errors.map((value) => ({ value, weight: 1 }));
        if (beta !== null) {
          terms.push(...soft.map(({ regularizer }) => ({ value: regularizer, weight: roundingWeight })));
        }
        return sumScalars(terms);
      });
      if (!Number.isFinite(reconstruction)) {
        throw new GenieError(
          "invalid-model",
          `reconstruction of "${unit.graph.name}" diverged in iteration ${iteration + 1}: loss ${reconstruction}`,
        );
      }
      await afterIteration(iteration, reconstruction);
    }
  } finally {
    optimizer.dispose();
  }
}

/** Step sizes learned together, each at its own pace. */
function stepGroup(
  quantizers: readonly { step: StepSize }[],
  learningRate: number,
  iterations: number,
): ParameterGroup {
  const steps = quantizers.map(({ step }) => step);
  return {
    parameters: steps.map(({ values }) => values),
    schedule: cosineDecay(learningRate, iterations),
    factors: new Map(
      steps.flatMap((step) => {
        const factors = step.pace(learningRate);
        return factors ? [[step.values, factors]] : [];
      }),
    ),
  };
}

/** Endless batches of indices below `count`: each epoch a new permutation, an incomplete last batch left out. */
function shuffledBatches(count: number, batchSize: number, seed: number): () => Int32Array {
  const size = Math.min(batchSize, count);
  let epoch = 0;
  let order: Int32Array = new Int32Array(0);
  let at = 0;
  return () => {
    if (at + size > order.length) {
      // Streams from the top of the range: masks and mixes count from the bottom.
      order = randomPermutation(count, seed, 0xffffffff - epoch++);
      at = 0;
    }
    at += size;
    return order.subarray(at - size, at);
  };
}
