/** A network of dense layers alone, on features far from normalized: zero-shot against real data. */
import { beforeAll, describe, expect, test } from "vitest";
import type { Images } from "../../src/images.ts";
import { fuseActivations } from "../../src/ir/fuse.ts";
import { initializeKernels } from "../../src/kernels/heap.ts";
import { predict } from "../../src/session/evaluate.ts";
import { noiseImages } from "../../src/synthesis/distance.ts";
import { GraphBuilder } from "../ir/builders.ts";
import { reconstruct, synthesize } from "../support/stages.ts";
import { train, uniform } from "./trained.ts";

const FEATURES = 48;
const FACTORS = 5;

/** Features mixed from a few factors, around −30, the first ones with nine times the spread of the last. */
function features(count: number, first: number): Images {
  let draw = 1000 * first + 1;
  const normal = (): number => {
    const radius = Math.sqrt(-2 * Math.log(uniform(draw++) + 1e-9));
    return radius * Math.cos(2 * Math.PI * uniform(draw++));
  };
  const data = new Float32Array(count * FEATURES);
  for (let n = 0; n < count; n++) {
    const factors = Array.from({ length: FACTORS }, normal);
    for (let f = 0; f < FEATURES; f++) {
      const mixed = factors.reduce((sum, value, k) => sum + value * Math.sin(1.3 * (k + 1) * f + k), 0);
      data[n * FEATURES + f] =
        -30 + 10 * Math.sin(f / 9) + (1 + 8 * Math.exp(-f / 15)) * (mixed + 0.3 * normal());
    }
  }
  return { shape: [count, FEATURES], data };
}

async function autoencoder() {
  const b = new GraphBuilder([-1, FEATURES], { name: "autoencoder" });
  let x = "input";
  for (const [i, width] of [40, 24, 8, 24, 40].entries()) {
    x = b.relu(`relu${i}`, b.norm(`bn${i}`, b.dense(`dense${i}`, x, width)));
  }
  const graph = fuseActivations(b.outputs(b.dense("output", x, FEATURES)));
  for (const node of graph.nodes) {
    if (node.op !== "dense") continue;
    const kernel = graph.constants.get(node.inputs[1]!)!;
    kernel.data = kernel.data.map((value) => value * Math.sqrt(3 / kernel.shape[0]!));
  }
  return train(graph, features(800, 1).data);
}

describe("a dense autoencoder", () => {
  beforeAll(() => initializeKernels());

  test("zero-shot at W4A4 is near few-shot, and better than on noise or in the published range", async () => {
    const graph = await autoencoder();
    const judged = features(400, 2);
    const float = await predict(graph, judged);
    const error = async (calibration: Images): Promise<number> => {
      const { model } = await reconstruct(graph, calibration, { iterations: 150 });
      const { data } = await predict(model, judged);
      return data.reduce((sum, value, i) => sum + (value - float.data[i]!) ** 2, 0);
    };
    const options = { images: 128, batchSize: 128, iterations: 200 };
    const published = { mean: [0], std: [1] };
    const real = await error(features(128, 3));
    const synthetic = await error(await synthesize(graph, options));
    expect(synthetic).toBeLessThan(1.25 * real);
    expect(synthetic).toBeLessThan(await error(await noiseImages(graph, 128)));
    expect(synthetic).toBeLessThan(
      0.7 * (await error(await synthesize(graph, { ...options, inputRange: published }))),
    );
  });
});
