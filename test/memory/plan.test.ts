import { readFile } from "node:fs/promises";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import type { Graph } from "../../src/ir/graph.ts";
import { heapBytes, initializeKernels } from "../../src/kernels/heap.ts";
import { defaultMemory, deviceMemory } from "../../src/memory/device.ts";
import { predictBytes, reconstructionBytes, synthesisBytes } from "../../src/memory/estimate.ts";
import { planMemory } from "../../src/memory/plan.ts";
import { loadModel } from "../../src/session/load.ts";
import { distillBatch } from "../../src/synthesis/batch.ts";
import { estimateInputRanges } from "../../src/synthesis/estimateRange.ts";
import { plainSettings, resolveSynthesis } from "../../src/synthesis/options.ts";

let graph: Graph;

beforeAll(async () => {
  const file = new URL("../../examples/fashion-mnist/fashion-resnet.onnx", import.meta.url);
  graph = await loadModel(new Uint8Array(await readFile(file)));
});

const SYNTHESIS = { mode: "genie", latents: 256, swing: true } as const;

describe("estimates", () => {
  it("grow with the batch", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 200 }), fc.integer({ min: 1, max: 100 }), (batchSize, more) => {
        const larger = batchSize + more;
        expect(synthesisBytes(graph, { ...SYNTHESIS, batchSize: larger })).toBeGreaterThanOrEqual(
          synthesisBytes(graph, { ...SYNTHESIS, batchSize }),
        );
        expect(predictBytes(graph, larger)).toBeGreaterThanOrEqual(predictBytes(graph, batchSize));
        expect(reconstructionBytes(graph, { batchSize: larger, slabSize: 64 })).toBeGreaterThanOrEqual(
          reconstructionBytes(graph, { batchSize, slabSize: 64 }),
        );
      }),
      { numRuns: 10 },
    );
  });

  it("of synthesis hold the heap that it takes, and not much more", async () => {
    await initializeKernels();
    const settings = plainSettings(resolveSynthesis({ batchSize: 64, iterations: 2 }));
    const inputRange = estimateInputRanges(graph).ranges[0]!;
    await distillBatch(graph, { ...settings, mode: "genie", inputRange }, 0, async () => {});
    const estimate = synthesisBytes(graph, settings);
    expect(estimate).toBeGreaterThanOrEqual(heapBytes());
    expect(estimate).toBeLessThan(1.3 * heapBytes());
  });
});

describe("a plan", () => {
  it("never takes more than it may, or says what is needed", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1e7, max: 2e9 }), fc.integer({ min: 0, max: 8 }), (memory, workers) => {
        const request = {
          memory,
          workers,
          images: 128,
          synthesis: { ...SYNTHESIS, batchSize: 128 },
          reconstruction: { batchSize: 32 },
        };
        try {
          const plan = planMemory(graph, request);
          expect(Math.max(plan.synthesisBytes, plan.reconstructionBytes)).toBeLessThanOrEqual(memory);
          expect(plan.workers).toBeLessThanOrEqual(workers);
          expect(plan.synthesisBatchSize).toBeGreaterThanOrEqual(2);
        } catch (error) {
          expect(error).toMatchObject({ code: "unsupported-runtime" });
          expect(memory).toBeLessThan(1.8e8);
        }
      }),
      { numRuns: 20 },
    );
  });

  it("leaves what fits as it is, without a word", () => {
    const plan = planMemory(graph, {
      memory: 4e9,
      workers: 2,
      images: 128,
      synthesis: { ...SYNTHESIS, batchSize: 128 },
      reconstruction: { batchSize: 32 },
    });
    expect(plan).toMatchObject({
      workers: 2,
      synthesisBatchSize: 128,
      reconstructionBatchSize: 32,
      notes: [],
    });
  });
});

it("the device has memory, of which a run takes a share", async () => {
  expect(await deviceMemory()).toBeGreaterThan(1e8);
  expect(await defaultMemory()).toBeLessThan(await deviceMemory());
});
