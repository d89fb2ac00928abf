/** GENIE-D's generator: latents [N, L] → images [N, H, W, C] (GENIE, section 3.1; the generator of GDFQ). */
import type { Tensor } from "@tensorflow/tfjs-core";
import { reshape, slice } from "../kernels/layout.ts";
import { matMul } from "../kernels/matmul.ts";
import { batchNormTraining, scaleShift } from "../kernels/normalize.ts";
import { upsampleConv2d } from "../kernels/upsampleConv2d.ts";
import { EPSILON, LEAKY_RELU, normalizeUnits, Parameters, TANH } from "./learned.ts";

export interface GeneratorShape {
  /** Length L of a latent vector; 256 in the paper. */
  latents: number;
  height: number;
  width: number;
  channels: number;
  /** What the images are normalized by over the batch: the C channels, or W·C columns and channels. */
  units: number;
  /** Channels of the feature map that the latents become, and after each doubling but the last; published: [128, 64]. */
  widths: number[];
}

export interface Generator {
  /** All that is learned. */
  parameters: Tensor[];
  /** Images of these latents, on the tape. */
  images(latents: Tensor): Tensor;
  dispose(): void;
}

/** Above this many weights in its linear layer the published generator is replaced by a compact one. */
const MAX_LINEAR_WEIGHTS = 16e6;

/**
 * The published shape (two doublings from S/4) where its linear layer is small enough, else a compact one: more
 * doublings from a smaller map, so that the linear layer shrinks fourfold with each.
 */
export function generatorWidths(height: number, width: number, latents: number): number[] {
  const widths = [128, 64];
  const linearWeights = (doublings: number): number =>
    latents * 128 * Math.ceil(height / 2 ** doublings) * Math.ceil(width / 2 ** doublings);
  while (linearWeights(widths.length) > MAX_LINEAR_WEIGHTS) widths.push(Math.max(32, widths.at(-1)! / 2));
  return widths;
}

/**
 * linear L → h₀·w₀·widths[0] → BatchNorm → (nearest ×2 → conv 3×3 → BatchNorm → LeakyReLU 0.2)… → nearest ×2 →
 * conv 3×3 → C → tanh → BatchNorm without affine, with h₀ = ⌈H / 2^doublings⌉. What exceeds H × W is cropped before
 * the last BatchNorm. All BatchNorms use the batch's own statistics.
 *
 * Weights start as PyTorch's: U(−1/√fanIn, 1/√fanIn). A convolution that a BatchNorm follows has no bias: the
 * BatchNorm would subtract it again.
 *
 * @param seed The initial weights are drawn from streams `stream(0)`, `stream(1)`, … of this seed.
 */
export function createGenerator(
  { latents, height, width, channels, units, widths }: GeneratorShape,
  seed: number,
  stream: (index: number) => number,
): Generator {
  const [rows, columns] = [height, width].map((size) => Math.ceil(size / 2 ** widths.length)) as [
    number,
    number,
  ];
  const parameters = new Parameters(seed, stream);
  const features = rows * columns * widths[0]!;
  const linear = {
    kernel: parameters.uniform([latents, features], latents),
    bias: parameters.uniform([features], latents),
  };
  const mapNorm = parameters.norm(widths[0]!);
  const stages = widths.slice(1).map((to, index) => {
    const from = widths[index]!;
    return { filter: parameters.uniform([3, 3, from, to], 9 * from), ...parameters.norm(to) };
  });
  const from = widths.at(-1)!;
  const last = {
    filter: parameters.uniform([3, 3, from, channels], 9 * from),
    bias: parameters.uniform([channels], 9 * from),
  };

  return {
    parameters: parameters.all,
    images(z) {
      const flat = scaleShift(matMul(z, linear.kernel), null, linear.bias);
      let x = reshape(flat, [-1, rows, columns, widths[0]!]);
      x = batchNormTraining(x, mapNorm.gamma, mapNorm.beta, EPSILON);
      for (const { filter, gamma, beta } of stages) {
        x = batchNormTraining(upsampleConv2d(x, filter), gamma, beta, EPSILON, LEAKY_RELU);
      }
      x = scaleShift(upsampleConv2d(x, last.filter), null, last.bias, TANH);
      if (x.shape[1] !== height || x.shape[2] !== width) {
        x = slice(x, [0, 0, 0, 0], [-1, height, width, channels], [1, 1, 1, 1]);
      }
      return normalizeUnits(x, units);
    },
    dispose: () => parameters.dispose(),
  };
}
