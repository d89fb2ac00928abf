import { memory } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, test } from "vitest";
import { fuseActivations } from "../../src/ir/fuse.ts";
import type { BatchNormNode } from "../../src/ir/graph.ts";
import { initializeKernels } from "../../src/kernels/heap.ts";
import { averageDistance, formatDistances } from "../../src/report/distances.ts";
import { predict } from "../../src/session/evaluate.ts";
import { noiseImages, statisticsDistance } from "../../src/synthesis/distance.ts";
import { residual } from "../ir/builders.ts";
import { synthesize } from "../support/stages.ts";
import { discs, train } from "./trained.ts";

const graph = fuseActivations(residual());

describe("statisticsDistance", () => {
  beforeAll(() => initializeKernels());

  test("is what a plain loop over the BatchNorms' inputs gives", async () => {
    // 37 images: the last batch is not full.
    const images = await noiseImages(graph, 37, 5);
    const distances = await statisticsDistance(graph, images);
    const norms = graph.nodes.filter((node): node is BatchNormNode => node.op === "batchNorm");
    expect(distances.map(({ layer }) => layer)).toEqual(norms.map(({ name }) => name));
    for (const [index, norm] of norms.entries()) {
      const { shape, data } = await predict({ ...graph, outputs: [norm.inputs[0]!] }, images);
      const channels = shape.at(-1)!;
      const running = (input: number) => graph.constants.get(norm.inputs[input]!)!.data;
      let [means, stds, power] = [0, 0, 0];
      for (let c = 0; c < channels; c++) {
        const values = Float64Array.from(data.filter((_, i) => i % channels === c));
        const m = values.reduce((a, b) => a + b, 0) / values.length;
        const s = Math.sqrt(values.reduce((a, b) => a + (b - m) ** 2, 0) / values.length);
        const variance = running(4)[c]! + 1e-6;
        means += (m - running(3)[c]!) ** 2;
        stds += (s - Math.sqrt(variance)) ** 2;
        power += variance;
      }
      expect(distances[index]!.mean).toBeCloseTo(Math.sqrt(means / power), 3);
      expect(distances[index]!.std).toBeCloseTo(Math.sqrt(stds / power), 2);
    }
  });

  test.each([
    ["normalized", "genie", [0, 0, 0], 1],
    ["normalized", "pixels", [0, 0, 0], 1],
    ["raw, 0…255", "genie", [125, 118, 96], 63],
  ] as const)("falls from noise to synthetic images: %s inputs, mode %s", async (_name, mode, mean, std) => {
    const trained = await train(fuseActivations(residual()), discs(64, 8, 8, [...mean], std));
    const before = averageDistance(await statisticsDistance(trained, await noiseImages(trained, 64)));
    const options = { images: 16, batchSize: 16, iterations: 120, latents: 16, mode };
    const images = await synthesize(trained, options);
    const after = averageDistance(await statisticsDistance(trained, images));
    expect(after.mean).toBeLessThan(0.3 * before.mean);
    expect(after.std).toBeLessThan(0.5 * before.std);
  });

  test("releases every tensor, and refuses images that do not fit", async () => {
    const count = memory().numTensors;
    await statisticsDistance(graph, await noiseImages(graph, 3));
    expect(memory().numTensors).toBe(count);
    const wrong = { shape: [1, 2, 2, 3], data: new Float32Array(12) };
    await expect(statisticsDistance(graph, wrong)).rejects.toMatchObject({ code: "invalid-data" });
  });

  test("is shown layer by layer, with the average", () => {
    const table = formatDistances(
      [{ layer: "bn", mean: 0.5, std: 0.25 }],
      [{ layer: "bn", mean: 0.05, std: 0.1 }],
    );
    expect(
      table
        .split("\n")
        .slice(-2)
        .map((line) => line.split(/ +/)),
    ).toEqual([
      ["bn", "50.0", "5.0", "25.0", "10.0"],
      ["average", "50.0", "5.0", "25.0", "10.0"],
    ]);
  });
});
