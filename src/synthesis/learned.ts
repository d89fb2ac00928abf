/** What generators are built from: parameters with PyTorch's initial values, in streams of one seed. */
import { keep, ones, type Tensor, tidy, zeros } from "@tensorflow/tfjs-core";
import { reshape } from "../kernels/layout.ts";
import { batchNormTraining } from "../kernels/normalize.ts";
import { randomUniform } from "../kernels/random.ts";

/** PyTorch's default of BatchNorm2d. */
export const EPSILON = 1e-5;

export const LEAKY_RELU = { kind: "leakyRelu", alpha: 0.2 } as const;
export const TANH = { kind: "tanh" } as const;

/** The learned parameters of a generator, in the order of their creation, which is that of their streams. */
export class Parameters {
  readonly all: Tensor[] = [];
  readonly #seed: number;
  readonly #stream: (index: number) => number;

  constructor(seed: number, stream: (index: number) => number) {
    this.#seed = seed;
    this.#stream = stream;
  }

  /** U(−1/√fanIn, 1/√fanIn), from stream `stream(number of parameters before)`. */
  uniform(shape: number[], fanIn: number): Tensor {
    const bound = 1 / Math.sqrt(fanIn);
    return this.#learned(() =>
      randomUniform(shape, this.#seed, this.#stream(this.all.length), -bound, bound),
    );
  }

  /** γ = 1 and β = 0, [size] each. */
  norm(size: number): { gamma: Tensor; beta: Tensor } {
    return { gamma: this.#learned(() => ones([size])), beta: this.#learned(() => zeros([size])) };
  }

  dispose(): void {
    for (const parameter of this.all) parameter.dispose();
  }

  #learned(create: () => Tensor): Tensor {
    const parameter = keep(tidy(create));
    this.all.push(parameter);
    return parameter;
  }
}

/**
 * BatchNorm without affine over the batch, for each of `units` values: the last axes of x whose sizes multiply to it
 * (C, or W and C).
 */
export function normalizeUnits(x: Tensor, units: number): Tensor {
  if (x.shape.at(-1) === units) return batchNormTraining(x, null, null, EPSILON);
  return reshape(batchNormTraining(reshape(x, [-1, units]), null, null, EPSILON), x.shape);
}
