/** The generator of feature vectors, for networks of dense layers: the image generator's head and tail. */
import { reshape } from "../kernels/layout.ts";
import { matMul } from "../kernels/matmul.ts";
import { batchNormTraining, scaleShift } from "../kernels/normalize.ts";
import type { Generator, GeneratorShape } from "./generator.ts";
import { EPSILON, LEAKY_RELU, normalizeUnits, Parameters, TANH } from "./learned.ts";

/** Features between the two linear layers, as many as the published generator's first map has channels. */
const HIDDEN = 128;

/**
 * linear L → 128 → BatchNorm → LeakyReLU 0.2 → linear 128 → H·W·C → tanh → BatchNorm without affine: latents [N, L] to
 * [N, H, W, C], of which one row and one column or channel are left for a vector. All BatchNorms use the batch's own
 * statistics; weights start as PyTorch's.
 *
 * @param seed The initial weights are drawn from streams `stream(0)`, `stream(1)`, … of this seed.
 */
export function createVectorGenerator(
  { latents, height, width, channels, units }: Omit<GeneratorShape, "widths">,
  seed: number,
  stream: (index: number) => number,
): Generator {
  const features = height * width * channels;
  const parameters = new Parameters(seed, stream);
  const first = parameters.uniform([latents, HIDDEN], latents);
  const norm = parameters.norm(HIDDEN);
  const last = {
    kernel: parameters.uniform([HIDDEN, features], HIDDEN),
    bias: parameters.uniform([features], HIDDEN),
  };
  return {
    parameters: parameters.all,
    images(z) {
      const hidden = batchNormTraining(matMul(z, first), norm.gamma, norm.beta, EPSILON, LEAKY_RELU);
      const flat = scaleShift(matMul(hidden, last.kernel), null, last.bias, TANH);
      return normalizeUnits(reshape(flat, [-1, height, width, channels]), units);
    },
    dispose: () => parameters.dispose(),
  };
}
