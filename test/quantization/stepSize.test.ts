import { memory } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, test } from "vitest";
import { adam } from "../../src/engine/optimize.ts";
import { constant } from "../../src/engine/schedules.ts";
import { fuseActivations } from "../../src/ir/fuse.ts";
import type { QuantizedGraph } from "../../src/ir/graph.ts";
import { initializeKernels } from "../../src/kernels/heap.ts";
import { squaredError } from "../../src/kernels/loss.ts";
import { createStepSize, type StepSize } from "../../src/quantization/stepSize.ts";
import { predict } from "../../src/session/evaluate.ts";
import { residual } from "../ir/builders.ts";
import { reconstruct } from "../support/stages.ts";
import { discs, train } from "../synthesis/trained.ts";

/** Step sizes after some iterations of Adam towards zero. */
async function shrunk(step: StepSize, learningRate: number, iterations: number): Promise<number[]> {
  const factors = step.pace(learningRate);
  const optimizer = adam([
    {
      parameters: [step.values],
      schedule: constant(learningRate),
      factors: factors && new Map([[step.values, factors]]),
    },
  ]);
  const zeros = createStepSize(new Float32Array(step.values.size), 8);
  for (let i = 0; i < iterations; i++) {
    await optimizer.step(() => squaredError(step.values, zeros.values, 1));
  }
  const numbers = [...step.numbers()];
  for (const item of [optimizer, zeros, step]) item.dispose();
  return numbers;
}

describe("step sizes", () => {
  beforeAll(() => initializeKernels());

  test("move at the published rate where they can bear it", () => {
    const step = createStepSize(Float32Array.of(0.04, 0.1), 4);
    expect(step.pace(1e-4)).toBeUndefined();
    step.dispose();
  });

  test("move the largest code by a twentieth of a step at most, channel by channel", async () => {
    const before = memory().numTensors;
    const [coarse, fine] = await shrunk(createStepSize(Float32Array.of(1, 1e-3), 8), 1e-4, 10);
    expect(coarse).toBeCloseTo(1 - 10 * 1e-4, 5);
    expect(fine! / 1e-3).toBeCloseTo(1 - (10 * 0.05) / 256, 4);
    expect(memory().numTensors).toBe(before);
  });

  test("start at the search's and stay there at a learning rate of 0", async () => {
    expect(await shrunk(createStepSize(Float32Array.of(0.5, 0.25), 8), 0, 3)).toEqual([0.5, 0.25]);
  });

  test("survive a few iterations behind pixels of 0…255, where weights are small", async () => {
    const graph = fuseActivations(residual());
    const filter = graph.constants.get("stem.conv/filter")!;
    filter.data = filter.data.map((value) => value / 60);
    const data = discs(32, 8, 8, [125, 118, 96], 63);
    await train(graph, data);
    const images = { shape: [32, 8, 8, 3], data };
    const float = await predict(graph, images);
    const error = async (model: QuantizedGraph): Promise<number> => {
      const { data } = await predict(model, images);
      return data.reduce((sum, value, i) => sum + (value - float.data[i]!) ** 2, 0);
    };
    const quantized = async (iterations: number): Promise<number> =>
      error((await reconstruct(graph, images, { weightBits: 8, activationBits: 8, iterations })).model);
    expect(await quantized(15)).toBeLessThan(2 * (await quantized(0)));
  });
});
