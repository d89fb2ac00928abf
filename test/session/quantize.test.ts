import { describe, expect, test } from "vitest";
import { exportOnnx, loadModel, type Progress, quantize } from "../../src/index.ts";
import { fuseActivations } from "../../src/ir/fuse.ts";
import { residual } from "../ir/builders.ts";

const graph = fuseActivations(residual());
const tiny = {
  workers: 0,
  images: 4,
  synthesis: { batchSize: 4, iterations: 2 },
  reconstruction: { iterations: 2 },
};

describe("quantize", () => {
  test("goes from a graph to a file that reads back, reporting both stages", async () => {
    const stages = new Set<Progress["stage"]>();
    const { model, images, blocks, seconds } = await quantize(graph, {
      ...tiny,
      onProgress: ({ stage }) => stages.add(stage),
    });
    expect([...stages]).toEqual(["synthesis", "reconstruction"]);
    expect(images.shape).toEqual([4, ...graph.inputs[0]!.shape.slice(1)]);
    expect(blocks.flatMap(({ layers }) => layers)).toHaveLength(model.weights.size);
    expect(Math.min(seconds.synthesis, seconds.reconstruction)).toBeGreaterThan(0);
    const again = await loadModel(exportOnnx(model));
    expect(again.nodes.filter(({ op }) => op === "fakeQuantize")).toHaveLength(model.activations.size);
  });

  test("uses the images it is given and synthesizes none", async () => {
    const [, height, width, channels] = graph.inputs[0]!.shape as [number, number, number, number];
    const data = {
      shape: [3, height, width, channels],
      data: new Float32Array(3 * height * width * channels).fill(0.5),
    };
    const stages = new Set<Progress["stage"]>();
    const { images } = await quantize(graph, { ...tiny, data, onProgress: ({ stage }) => stages.add(stage) });
    expect(images).toBe(data);
    expect([...stages]).toEqual(["reconstruction"]);
  });

  test.each([[{ weightBits: 9 }], [{ activationBits: 1 }], [{ reconstruction: { warmup: 2 } }]])(
    "refuses %o before it synthesizes",
    async (options) => {
      let events = 0;
      const work = quantize(graph, { ...tiny, ...options, onProgress: () => events++ });
      await expect(work).rejects.toMatchObject({ code: "invalid-option" });
      expect(events).toBe(0);
    },
  );
});
