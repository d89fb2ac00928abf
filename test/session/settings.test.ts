import { describe, expect, test } from "vitest";
import { fuseActivations } from "../../src/ir/fuse.ts";
import { presets } from "../../src/session/presets.ts";
import { resolveQuantize } from "../../src/session/settings.ts";
import { residual } from "../ir/builders.ts";
import { waves } from "../quantization/waves.ts";

const graph = fuseActivations(residual());
const { images, batchSize, synthesisIterations, reconstructionIterations } = presets.fast.small;

describe("the settings of a run", () => {
  test("are the preset's numbers where an option is missing or undefined, and the option where it is there", () => {
    const { synthesis, reconstruction } = resolveQuantize(graph, {
      preset: "fast",
      synthesis: { images: undefined, iterations: 7 },
      reconstruction: { iterations: undefined, batchSize: 9 },
    });
    expect(synthesis).toMatchObject({ images, batchSize, iterations: 7 });
    expect(reconstruction).toMatchObject({ iterations: reconstructionIterations, batchSize: 9 });
  });

  test("take the number of images from the stage's own options first", () => {
    const counts = [{}, { images: 5 }, { images: 5, synthesis: { images: 6 } }].map(
      (options) => resolveQuantize(graph, { preset: "fast", ...options }).synthesis!.images,
    );
    expect(counts).toEqual([images, 5, 6]);
    expect(resolveQuantize(graph, { preset: "fast" }).synthesis!.iterations).toBe(synthesisIterations);
  });

  test("hold no synthesis where images are given, whose options are checked all the same", () => {
    const data = waves(graph, 4);
    expect(resolveQuantize(graph, { data })).toMatchObject({ synthesis: undefined, data });
    expect(() => resolveQuantize(graph, { data, synthesis: { batchSize: 1 } })).toThrow(/batchSize must be/);
  });
});
