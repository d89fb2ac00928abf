/** GENIE-D's generator as a Graph: latents [N, L] → images [N, H, W, C] (GENIE, section 3.1; GDFQ's generator). */
import type { Constant, Graph, Node, Padding } from "../ir/graph.ts";

export interface GeneratorShape {
  /** Length of a latent vector; 256 in the paper. */
  latents: number;
  height: number;
  width: number;
  channels: number;
  /** Channels of the feature map that the latents become, and of every later one; published: [128, 64]. */
  widths: number[];
}

export interface Generator {
  graph: Graph;
  /** Names of the constants that are learned. */
  parameters: string[];
}

/** How the initial value of each constant is drawn. */
export type Uniform = (shape: number[], bound: number) => Float32Array;

const SAME: Padding = { top: 1, bottom: 1, left: 1, right: 1 };
const LEAK = 0.2;
const EPSILON = 1e-5;

/** Above this many weights in its linear layer the published generator is replaced by a compact one. */
const MAX_LINEAR_WEIGHTS = 16e6;

/**
 * The published shape (two doublings from S/4) where its linear layer is small enough, else a compact one:
 * more doublings from a smaller map, so that the linear layer shrinks fourfold with each.
 */
export function generatorWidths(height: number, width: number, latents: number): number[] {
  const widths = [128, 64];
  const linearWeights = (doublings: number): number =>
    latents * 128 * Math.ceil(height / 2 ** doublings) * Math.ceil(width / 2 ** doublings);
  while (linearWeights(widths.length) > MAX_LINEAR_WEIGHTS) widths.push(Math.max(32, widths.at(-1)! / 2));
  return widths;
}

/**
 * Builds the generator: linear L → h₀·w₀·widths[0] → BatchNorm → (nearest ×2 → conv 3×3 → BatchNorm →
 * LeakyReLU 0.2)… → nearest ×2 → conv 3×3 → C → tanh → BatchNorm without affine, with h₀ = ⌈H / 2^doublings⌉.
 * Sizes that are not a multiple of 2^doublings are cropped before the last BatchNorm.
 *
 * Weights start as in PyTorch: U(−1/√fanIn, 1/√fanIn). A convolution that a BatchNorm follows has no bias: the
 * BatchNorm would subtract it again.
 */
export function createGenerator(shape: GeneratorShape, uniform: Uniform): Generator {
  const { latents, height, width, channels, widths } = shape;
  const doublings = widths.length;
  const [rows, columns] = [height, width].map((size) => Math.ceil(size / 2 ** doublings)) as [number, number];
  const nodes: Node[] = [];
  const constants = new Map<string, Constant>();
  const parameters: string[] = [];

  const learned = (name: string, dims: number[], data: Float32Array): string => {
    constants.set(name, { shape: dims, data });
    parameters.push(name);
    return name;
  };
  const fixed = (name: string, size: number, value: number): string => {
    constants.set(name, { shape: [size], data: new Float32Array(size).fill(value) });
    return name;
  };
  const uniformOf = (name: string, dims: number[], fanIn: number): string =>
    learned(name, dims, uniform(dims, 1 / Math.sqrt(fanIn)));
  const batchNorm = (name: string, input: string, size: number, affine: boolean, leak: boolean): string => {
    const filled = affine
      ? (suffix: string, value: number) =>
          learned(`${name}.${suffix}`, [size], new Float32Array(size).fill(value))
      : (suffix: string, value: number) => fixed(`${name}.${suffix}`, size, value);
    nodes.push({
      op: "batchNorm",
      name,
      inputs: [
        input,
        filled("gamma", 1),
        filled("beta", 0),
        fixed(`${name}.mean`, size, 0),
        fixed(`${name}.variance`, size, 1),
      ],
      output: name,
      epsilon: EPSILON,
      ...(leak ? { activation: { kind: "leakyRelu", alpha: LEAK } as const } : {}),
    });
    return name;
  };
  const convolution = (name: string, input: string, from: number, to: number, last: boolean): string => {
    nodes.push({
      op: "upsampleNearest",
      name: `${name}.up`,
      inputs: [input],
      output: `${name}.up`,
      factors: [2, 2],
    });
    nodes.push({
      op: "conv2d",
      name,
      inputs: [
        `${name}.up`,
        uniformOf(`${name}.filter`, [3, 3, from, to], 9 * from),
        ...(last ? [uniformOf(`${name}.bias`, [to], 9 * from)] : []),
      ],
      output: name,
      strides: [1, 1],
      dilations: [1, 1],
      padding: SAME,
      groups: 1,
      ...(last ? { activation: { kind: "tanh" } as const } : {}),
    });
    return name;
  };

  const features = rows * columns * widths[0]!;
  nodes.push({
    op: "dense",
    name: "linear",
    inputs: [
      "latents",
      uniformOf("linear.kernel", [latents, features], latents),
      uniformOf("linear.bias", [features], latents),
    ],
    output: "linear",
  });
  nodes.push({
    op: "reshape",
    name: "map",
    inputs: ["linear"],
    output: "map",
    shape: [-1, rows, columns, widths[0]!],
  });
  let value = batchNorm("norm0", "map", widths[0]!, true, false);
  for (let stage = 1; stage < doublings; stage++) {
    value = convolution(`conv${stage}`, value, widths[stage - 1]!, widths[stage]!, false);
    value = batchNorm(`norm${stage}`, value, widths[stage]!, true, true);
  }
  value = convolution(`conv${doublings}`, value, widths[doublings - 1]!, channels, true);
  if (rows * 2 ** doublings !== height || columns * 2 ** doublings !== width) {
    nodes.push({
      op: "slice",
      name: "crop",
      inputs: [value],
      output: "crop",
      begin: [0, 0, 0, 0],
      end: [-1, height, width, channels],
      steps: [1, 1, 1, 1],
    });
    value = "crop";
  }
  value = batchNorm("images", value, channels, false, false);
  return {
    graph: {
      name: "generator",
      inputs: [{ name: "latents", shape: [-1, latents] }],
      outputs: [value],
      nodes,
      constants,
    },
    parameters,
  };
}
