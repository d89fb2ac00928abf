/** Ways of making inputs that can be learned: GENIE's generator with its latents, either alone, or the pixels. */
import { keep, type Tensor, tidy } from "@tensorflow/tfjs-core";
import type { ParameterGroup } from "../engine/optimize.ts";
import { reduceOnPlateau, stepDecay } from "../engine/schedules.ts";
import { randomNormal } from "../kernels/random.ts";
import { createGenerator, type Generator, generatorWidths } from "./generator.ts";
import { type InputLayout, isVector } from "./inputLayout.ts";
import type { BatchSettings } from "./options.ts";
import { createVectorGenerator } from "./vectorGenerator.ts";

/** Streams of random numbers of a batch, apart modulo 4; the batch's index goes into the seed. */
export const STREAM = {
  latents: 0,
  swing: (iteration: number) => 4 * iteration + 1,
  resampled: (iteration: number) => 4 * iteration + 2,
  weights: (index: number) => 4 * index + 3,
};

/** A way of making images that can be learned. */
export interface Source {
  /** [B, H, W, C], normalized by the input's range, on the tape. */
  images(iteration: number): Tensor;
  groups: ParameterGroup[];
  dispose(): void;
}

/**
 * @param units Values that the input's range has a mean and a standard deviation for: the generator gives each of
 *   them mean 0 and variance 1 over the batch.
 */
export function createSource(
  settings: BatchSettings,
  layout: InputLayout,
  units: number,
  seed: number,
): Source {
  const { mode, batchSize, latents, latentLearningRate, generatorLearningRate, pixelLearningRate } = settings;
  const { height, width, channels } = layout;
  if (mode === "pixels") {
    const pixels = keep(tidy(() => randomNormal([batchSize, height, width, channels], seed, STREAM.latents)));
    return {
      images: () => pixels,
      groups: [{ parameters: [pixels], schedule: reduceOnPlateau(pixelLearningRate) }],
      dispose: () => pixels.dispose(),
    };
  }
  const generator = generatorFor(layout, latents, units, seed);
  const z = keep(tidy(() => randomNormal([batchSize, latents], seed, STREAM.latents)));
  return {
    // The generator alone sees new latents every iteration, as a GAN's does; GENIE learns one set.
    images: (iteration) =>
      generator.images(
        mode === "generator" ? randomNormal([batchSize, latents], seed, STREAM.resampled(iteration)) : z,
      ),
    groups: [
      ...(mode === "genie" ? [{ parameters: [z], schedule: reduceOnPlateau(latentLearningRate) }] : []),
      { parameters: generator.parameters, schedule: stepDecay(generatorLearningRate, 0.95, 100) },
    ],
    dispose: () => {
      generator.dispose();
      z.dispose();
    },
  };
}

function generatorFor(layout: InputLayout, latents: number, units: number, seed: number): Generator {
  const { height, width, channels } = layout;
  const shape = { latents, height, width, channels, units };
  if (isVector(layout)) return createVectorGenerator(shape, seed, STREAM.weights);
  return createGenerator({ ...shape, widths: generatorWidths(height, width, latents) }, seed, STREAM.weights);
}
