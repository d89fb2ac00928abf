import { beforeAll, describe, expect, test } from "vitest";
import { download, uploadConstants } from "../../src/engine/feeds.ts";
import { trainingOps } from "../../src/engine/ops.ts";
import { run } from "../../src/engine/run.ts";
import { inferShapes } from "../../src/ir/shapes.ts";
import { validate } from "../../src/ir/validate.ts";
import { initializeKernels } from "../../src/kernels/heap.ts";
import { randomNormal } from "../../src/kernels/random.ts";
import { createGenerator, generatorWidths } from "../../src/synthesis/generator.ts";

/** A cheap deterministic stand-in for the uniform draws. */
const ramp = (shape: number[], bound: number): Float32Array =>
  Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => bound * Math.sin(12.9898 * i));

describe("generator", () => {
  beforeAll(() => initializeKernels());

  test.each([
    [32, 32, 3],
    [28, 28, 1],
    [49, 10, 1],
    [10, 13, 3],
    [4, 4, 2],
    [224, 224, 3],
  ])("%i×%i×%i images", (height, width, channels) => {
    const widths = generatorWidths(height, width, 256);
    const { graph, parameters } = createGenerator({ latents: 256, height, width, channels, widths }, ramp);
    validate(graph);
    expect(inferShapes(graph).get(graph.outputs[0]!)).toEqual([-1, height, width, channels]);
    for (const name of parameters) expect(graph.constants.has(name)).toBe(true);
  });

  test("is the published one at 32×32: linear 256 → 128·8·8, 128 → 64 → 3", () => {
    const { graph, parameters } = createGenerator(
      { latents: 256, height: 32, width: 32, channels: 3, widths: generatorWidths(32, 32, 256) },
      ramp,
    );
    const count = parameters.reduce((sum, name) => sum + graph.constants.get(name)!.data.length, 0);
    const linear = 256 * 8192 + 8192;
    const first = 2 * 128 + 9 * 128 * 64 + 2 * 64;
    const second = 9 * 64 * 3 + 3;
    expect(count).toBe(linear + first + second);
  });

  test("grows compact where the linear layer would be large", () => {
    expect(generatorWidths(64, 64, 256)).toEqual([128, 64]);
    expect(generatorWidths(224, 224, 256).length).toBeGreaterThan(2);
  });

  test("gives images of mean 0 and variance 1 per channel: its last BatchNorm is without affine", () => {
    const { graph } = createGenerator(
      { latents: 16, height: 12, width: 8, channels: 3, widths: [16, 8] },
      ramp,
    );
    const data = download(() => {
      const feeds = new Map([...uploadConstants(graph), ["latents", randomNormal([8, 16], 1, 0)]]);
      return run(graph, feeds, { ops: trainingOps }).get(graph.outputs[0]!)!;
    });
    for (let channel = 0; channel < 3; channel++) {
      const values = data.filter((_, i) => i % 3 === channel);
      const mean = values.reduce((a, b) => a + b, 0) / values.length;
      const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length;
      expect(mean).toBeCloseTo(0, 5);
      expect(variance).toBeCloseTo(1, 2);
    }
  });
});
