/** Inputs of every rank and size, from model to quantized model. */
import { beforeAll, describe, expect, test } from "vitest";
import { fuseActivations } from "../../src/ir/fuse.ts";
import type { Graph, InputRange } from "../../src/ir/graph.ts";
import { initializeKernels } from "../../src/kernels/heap.ts";
import { predict } from "../../src/session/evaluate.ts";
import { normalizedRange } from "../../src/synthesis/inputRange.ts";
import type { SynthesisOptions } from "../../src/synthesis/options.ts";
import { autoencoder, classifier, convNormRelu, GraphBuilder } from "../ir/builders.ts";
import { reconstruct, synthesize } from "../support/stages.ts";

const budget = { images: 16, batchSize: 16, iterations: 40, latents: 16, seed: 2 };

/** A multilayer perceptron for 5 classes. */
function perceptron(features: number): Graph {
  const b = new GraphBuilder([-1, features], { name: "perceptron" });
  let x = "input";
  for (const name of ["a", "b"])
    x = b.relu(`relu_${name}`, b.norm(`bn_${name}`, b.dense(`dense_${name}`, x, 12)));
  return b.outputs(b.dense("fc", x, 5));
}

function convolutional(shape: number[]): Graph {
  const b = new GraphBuilder([-1, ...shape], { name: shape.join("x") });
  const x = convNormRelu(b, "second", convNormRelu(b, "first", "input", 4, 2), 4);
  return b.outputs(classifier(b, x, 4));
}

/** Spectrograms [N, H, W] without a channel axis. */
function spectrograms(): Graph {
  const b = new GraphBuilder([-1, 12, 10], { name: "spectrograms" });
  const x = convNormRelu(b, "stem", b.reshape("expand", "input", [-1, 12, 10, 1]), 4);
  return b.outputs(classifier(b, x, 4));
}

async function losses(
  graph: Graph,
  options: SynthesisOptions,
): Promise<{ shape: number[]; losses: number[] }> {
  const found: number[] = [];
  const { shape } = await synthesize(graph, {
    ...options,
    onProgress: (progress) => {
      if (progress.stage === "synthesis") found.push(progress.loss);
    },
  });
  return { shape, losses: found };
}

const networks: [name: string, graph: Graph, shape: number[]][] = [
  ["a dense autoencoder", autoencoder(), [6]],
  ["a perceptron of 40 features", perceptron(40), [40]],
  ["a perceptron of one feature", perceptron(1), [1]],
  ["spectrograms [N, H, W]", spectrograms(), [12, 10]],
  ["features as one pixel", convolutional([1, 1, 7]), [1, 1, 7]],
  ["MFCC [49, 10, 1]", convolutional([49, 10, 1]), [49, 10, 1]],
  ["two channels, one row", convolutional([1, 30, 2]), [1, 30, 2]],
];

describe("inputs of every kind", () => {
  beforeAll(() => initializeKernels());

  test.each(networks)("%s: zero-shot, from statistics to integer weights", async (_name, network, shape) => {
    const graph = fuseActivations(network);
    const images = await synthesize(graph, budget);
    expect(images.shape).toEqual([16, ...shape]);
    expect(images.data.every(Number.isFinite)).toBe(true);
    const options = { weightBits: 4, activationBits: 8, iterations: 5, batchSize: 8 };
    const { model } = await reconstruct(graph, images, options);
    const [float, quantized] = [await predict(graph, images), await predict(model, images)];
    expect(quantized.shape).toEqual(float.shape);
    const power = float.data.reduce((sum, value) => sum + value * value, 0);
    const error = float.data.reduce((sum, value, i) => sum + (value - quantized.data[i]!) ** 2, 0);
    expect(error).toBeLessThan(0.25 * power);
  });

  test.each(["genie", "generator", "pixels"] as const)("vectors in mode %s lower the loss", async (mode) => {
    const run = await losses(fuseActivations(perceptron(20)), { ...budget, iterations: 80, mode });
    const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
    expect(mean(run.losses.slice(-10))).toBeLessThan(0.8 * mean(run.losses.slice(0, 3)));
  });

  test.each([
    [10, 10, 3],
    [11, 97, 1],
    [49, 10, 1],
    [63, 64, 3],
    [101, 33, 1],
    [160, 160, 3],
    [223, 17, 1],
    [224, 224, 3],
  ])("images of %i×%i×%i", async (...shape) => {
    const inputRange = normalizedRange(shape[2]!);
    const options = { ...budget, images: 2, batchSize: 2, iterations: 1, latents: 2, inputRange };
    const images = await synthesize(fuseActivations(convolutional(shape)), options);
    expect(images.shape).toEqual([2, ...shape]);
    expect(images.data.every(Number.isFinite)).toBe(true);
  });

  test("an input range that is given is taken: by channel, by column", async () => {
    const graph = fuseActivations(convolutional([12, 4, 1]));
    const options = { ...budget, iterations: 5 };
    const given = async (mean: number[], std: number[]) => {
      const { data } = await synthesize(graph, { ...options, inputRange: { mean, std } });
      return mean.map((_, unit) => {
        const values = data.filter((_, i) => i % mean.length === unit);
        const m = values.reduce((a, b) => a + b, 0) / values.length;
        return [m, Math.sqrt(values.reduce((a, b) => a + (b - m) ** 2, 0) / values.length)];
      });
    };
    const [[mean, std]] = (await given([100], [7])) as [[number, number]];
    expect(mean).toBeCloseTo(100, 3);
    expect(std).toBeCloseTo(7, 2);
    const columns = await given([100, 0, -5, 3], [7, 1, 2, 40]);
    for (const [unit, [m, s]] of columns.entries()) {
      expect(m).toBeCloseTo([100, 0, -5, 3][unit]!, 3);
      expect(s! / [7, 1, 2, 40][unit]!).toBeCloseTo(1, 2);
    }
  });

  test.each([
    [{ mean: [0, 0], std: [1, 1] }],
    [{ mean: [0], std: [0] }],
    [{ mean: [Number.NaN], std: [1] }],
    [{ mean: [0], std: [1, 1, 1, 1] }],
    ["normalized" as "auto"],
    [{ mean: [0] } as InputRange],
  ])("an impossible input range is refused: %j", async (inputRange) => {
    const graph = fuseActivations(convolutional([12, 4, 1]));
    await expect(synthesize(graph, { ...budget, inputRange })).rejects.toMatchObject({
      code: "invalid-option",
    });
  });
});
