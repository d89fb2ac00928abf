import { memory } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, test } from "vitest";
import { GenieError } from "../../src/errors.ts";
import { fuseActivations } from "../../src/ir/fuse.ts";
import { type Binary, initializeKernels } from "../../src/kernels/heap.ts";
import type { Progress } from "../../src/progress.ts";
import { distillHere } from "../../src/synthesis/distill.ts";
import { residual } from "../ir/builders.ts";
import { synthesize } from "../support/stages.ts";

const graph = fuseActivations(residual());
const small = { images: 6, batchSize: 4, iterations: 12, seed: 3, latents: 32 };

describe.each<Binary>(["baseline", "relaxed"])("synthesize, %s", (binary) => {
  beforeAll(() => initializeKernels({ binary }));

  test.each(["genie", "generator", "pixels"] as const)("mode %s lowers the statistics loss", async (mode) => {
    const losses: number[] = [];
    await synthesize(graph, {
      ...small,
      images: 8,
      batchSize: 8,
      iterations: 60,
      mode,
      onProgress: (progress) => {
        if (progress.stage === "synthesis") losses.push(progress.loss);
      },
    });
    const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
    expect(losses).toHaveLength(60);
    expect(mean(losses.slice(-10))).toBeLessThan(0.8 * mean(losses.slice(0, 5)));
  });

  test("same seed, same bits; another seed, other images; batches differ", async () => {
    const a = await synthesize(graph, small);
    const b = await synthesize(graph, small);
    const c = await synthesize(graph, { ...small, seed: 4 });
    expect(a.shape).toEqual([6, ...graph.inputs[0]!.shape.slice(1)]);
    expect(b.data).toEqual(a.data);
    expect(c.data).not.toEqual(a.data);
    const stride = a.data.length / 6;
    expect(a.data.subarray(0, stride)).not.toEqual(a.data.subarray(4 * stride, 5 * stride));
  });

  test("releases every tensor", async () => {
    const before = memory().numTensors;
    await synthesize(graph, { ...small, iterations: 2 });
    expect(memory().numTensors).toBe(before);
  });

  test("reports every iteration and hands over every batch", async () => {
    const events: Progress[] = [];
    const batches: number[] = [];
    await synthesize(graph, {
      ...small,
      onProgress: (progress) => events.push(progress),
      onBatch: (batch) => batches.push(batch.shape[0]!),
    });
    expect(events).toHaveLength(2 * small.iterations);
    expect(events.at(-1)!.fraction).toBe(1);
    expect(batches).toEqual([4, 2]);
  });

  test("stops when asked to and releases every tensor", async () => {
    const before = memory().numTensors;
    const controller = new AbortController();
    const work = synthesize(graph, {
      ...small,
      iterations: 1000,
      signal: controller.signal,
      onProgress: (progress) => {
        if (progress.stage === "synthesis" && progress.iteration === 3) controller.abort();
      },
    });
    await expect(work).rejects.toMatchObject({ name: "GenieError", code: "aborted" });
    expect(memory().numTensors).toBe(before);
  });

  test("lets timers run between batches, however short they are", async () => {
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    let batches = 0;
    // Stops by itself once timers have run, so that a failure is a finite run without any.
    const controller = new AbortController();
    const work = synthesize(graph, {
      ...small,
      images: 4000,
      iterations: 1,
      signal: controller.signal,
      onBatch: () => {
        batches++;
        if (ticks > 2) controller.abort();
      },
    });
    await expect(work).rejects.toMatchObject({ code: "aborted" });
    clearInterval(timer);
    expect(batches).toBeLessThan(1000);
  });

  test("refuses a model without BatchNorm", async () => {
    const bare = { ...graph, nodes: graph.nodes.filter((node) => node.op !== "batchNorm") };
    await expect(synthesize(bare, small)).rejects.toBeInstanceOf(GenieError);
  });
});

describe("the input's range", () => {
  const counting = () => {
    const inner = distillHere(undefined);
    const calls = { count: 0 };
    const findInputRanges: typeof inner.findInputRanges = (graph) => {
      calls.count++;
      return inner.findInputRanges(graph);
    };
    return { calls, distiller: { ...inner, concurrency: 3, findInputRanges } };
  };
  const some = { ...small, images: 12, iterations: 2 };

  test("is found once a run, and gives what it gives where it is named", async () => {
    const { calls, distiller } = counting();
    const images = await synthesize(graph, some, distiller);
    expect(calls.count).toBe(1);
    const inputRange = (await distiller.findInputRanges(graph)).ranges[0]!;
    const named = counting();
    expect(await synthesize(graph, { ...some, inputRange }, named.distiller)).toEqual(images);
    expect(named.calls.count).toBe(0);
  });

  test("is not looked for where a checkpoint has every batch", async () => {
    const { calls, distiller } = counting();
    const stride = graph.inputs[0]!.shape.slice(1).reduce((product, size) => product * size, 1);
    const store = { batch: async () => new Float32Array(4 * stride), saveBatch: async () => {} };
    await synthesize(graph, some, distiller, store);
    expect(calls.count).toBe(0);
  });
});
