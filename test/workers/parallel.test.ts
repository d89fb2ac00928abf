import type { Worker } from "node:worker_threads";
import { afterEach, describe, expect, test } from "vitest";
import { fuseActivations } from "../../src/ir/fuse.ts";
import { initializeKernels } from "../../src/kernels/heap.ts";
import { predict } from "../../src/session/evaluate.ts";
import { distillIn, predictIn, reconstructIn } from "../../src/workers/parallel.ts";
import { createPool, type Pool, type PoolOptions } from "../../src/workers/pool.ts";
import { residual } from "../ir/builders.ts";
import { reconstruct, synthesize } from "../support/stages.ts";
import { spawnBuilt } from "./built.ts";

const graph = fuseActivations(residual(2));
const synthesis = { images: 12, batchSize: 4, iterations: 3 };
const reconstruction = { iterations: 12, batchSize: 5, seed: 3 };

let open: Pool[] = [];
let threads: Worker[] = [];

function openPool(options: Partial<PoolOptions> = {}): Pool {
  const pool = createPool({ size: 2, spawn: spawnBuilt((worker) => threads.push(worker)), ...options });
  open.push(pool);
  return pool;
}

afterEach(() => {
  for (const pool of open) pool.close();
  open = [];
  threads = [];
});

const images = await synthesize(graph, synthesis);

describe("synthesis in workers", () => {
  test.each([1, 2, 4])("%i workers make what this thread makes", async (size) => {
    const fractions: number[] = [];
    const made = await synthesize(
      graph,
      { ...synthesis, onProgress: ({ fraction }) => fractions.push(fraction) },
      distillIn(openPool({ size }), undefined),
    );
    expect(made).toEqual(images);
    expect(fractions).toHaveLength(9);
    expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
    expect(fractions.at(-1)).toBe(1);
  });

  test("a worker that dies is replaced and its batch done again", async () => {
    const pool = openPool();
    // Both are up: one that dies while it starts is an error.
    await synthesize(graph, synthesis, distillIn(pool, undefined));
    let killed = 0;
    const made = await synthesize(
      graph,
      {
        ...synthesis,
        onProgress: (progress) => {
          if (progress.stage !== "synthesis" || progress.iteration !== 2 || killed > 1) return;
          void threads[killed++]!.terminate();
        },
      },
      distillIn(pool, undefined),
    );
    expect(killed).toBe(2);
    expect(threads.length).toBeGreaterThan(2);
    expect(made).toEqual(images);
  });

  test("what kills every worker is given up, with the reason", async () => {
    const work = synthesize(
      graph,
      { ...synthesis, iterations: 1000, onProgress: () => void threads.at(-1)!.terminate() },
      distillIn(openPool({ size: 1 }), undefined),
    );
    await expect(work).rejects.toMatchObject({
      code: "unsupported-runtime",
      message: expect.stringMatching(/died 3 times .* ended with code 1/),
    });
    expect(threads).toHaveLength(3);
  });
});

describe("reconstruction in workers", () => {
  const inWorkers = (pool: Pool, onProgress?: () => void) =>
    reconstruct(graph, images, { ...reconstruction, onProgress }, reconstructIn(pool, undefined));
  const bits = ({ model }: Awaited<ReturnType<typeof reconstruct>>) => [
    [...model.weights],
    [...model.activations],
  ];

  test("one worker gives this thread's bits", async () => {
    expect(bits(await inWorkers(openPool({ size: 1 })))).toEqual(
      bits(await reconstruct(graph, images, reconstruction)),
    );
  });

  test.each([2, 3])("%i workers: the same over shared memory and over ports", async (size) => {
    const shared = await inWorkers(openPool({ size, sharesMemory: true }));
    const messages = await inWorkers(openPool({ size, sharesMemory: false }));
    expect(bits(messages)).toEqual(bits(shared));
    expect(messages.blocks.map(({ loss }) => loss)).toEqual(shared.blocks.map(({ loss }) => loss));
  });

  test("several workers come out about as one does", async () => {
    const one = await reconstruct(graph, images, reconstruction);
    const two = await inWorkers(openPool({ size: 2 }));
    // One block's error is luck: that of the last layer is 0.7 to 1.4 by the seed, with one worker.
    const logRatios = one.blocks.map(({ loss }, block) => Math.log(two.blocks[block]!.loss / loss));
    const mean = logRatios.reduce((sum, value) => sum + value, 0) / logRatios.length;
    expect(Math.exp(mean)).toBeCloseTo(1, 0);
  });

  test("there are no more members than images", async () => {
    const two = {
      shape: [2, ...images.shape.slice(1)],
      data: images.data.slice(0, (images.data.length * 2) / 12),
    };
    const { model } = await reconstruct(
      graph,
      two,
      { iterations: 3 },
      reconstructIn(openPool({ size: 3 }), undefined),
    );
    expect(model.weights.size).toBeGreaterThan(0);
  });

  test("goes on behind the last finished block when a worker dies", async () => {
    const unbroken = await inWorkers(openPool());
    const firstThreads = threads.length;
    let events = 0;
    const broken = await inWorkers(openPool(), () => {
      if (++events === 30) void threads.at(-1)!.terminate();
    });
    expect(threads.length).toBe(firstThreads + 4);
    expect(bits(broken)).toEqual(bits(unbroken));
  });
});

describe("a pool", () => {
  test("runs a model on all images in pieces", async () => {
    await initializeKernels();
    const done: number[] = [];
    const scores = await predictIn(openPool(), graph, images, { batchSize: 5, onDone: (n) => done.push(n) });
    const here = await predict(graph, images, { batchSize: 5 });
    expect(scores).toEqual(here);
    expect(done.at(-1)).toBe(12);
    expect(done).toHaveLength(3);
  });

  test("a worker that dies while it runs a model is replaced, and no piece is lost", async () => {
    await initializeKernels();
    const done: number[] = [];
    const onDone = (count: number) => {
      done.push(count);
      if (done.length === 2) void threads[0]!.terminate();
    };
    const scores = await predictIn(openPool({ size: 1 }), graph, images, { batchSize: 2, onDone });
    expect(scores).toEqual(await predict(graph, images, { batchSize: 2 }));
    expect(threads).toHaveLength(2);
    expect(done).toEqual([2, 4, 6, 8, 10, 12]);
  });

  test("an abort ends the work at once, and the pool works on", async () => {
    const pool = openPool();
    const controller = new AbortController();
    const work = synthesize(
      graph,
      { ...synthesis, iterations: 1e6, onProgress: () => controller.abort() },
      distillIn(pool, controller.signal),
    );
    await expect(work).rejects.toMatchObject({ code: "aborted" });
    expect(await synthesize(graph, synthesis, distillIn(pool, undefined))).toEqual(images);
  });

  test("closing rejects what is under way and ends the threads", async () => {
    const pool = openPool();
    const work = synthesize(
      graph,
      { ...synthesis, iterations: 1e6, onProgress: () => pool.close() },
      distillIn(pool, undefined),
    );
    await expect(work).rejects.toMatchObject({ code: "aborted" });
    await Promise.all(
      threads.map((worker) => worker.threadId === -1 || new Promise((resolve) => worker.on("exit", resolve))),
    );
    expect(threads.map((worker) => worker.threadId)).toEqual([-1, -1]);
  });

  test("errors keep their code on the way", async () => {
    const broken = { ...graph, nodes: graph.nodes.slice(1) };
    const work = predictIn(openPool(), broken, images, { batchSize: 4, onDone() {} });
    await expect(work).rejects.toMatchObject({ code: "invalid-model", name: "GenieError" });
  });

  test("a worker that cannot start is an error that says so", async () => {
    const pool = openPool({
      spawn: async () => {
        throw new Error("no such file");
      },
    });
    const work = predictIn(pool, graph, images, { batchSize: 4, onDone() {} });
    await expect(work).rejects.toMatchObject({
      code: "unsupported-runtime",
      message: expect.stringContaining("no such file"),
    });
  });
});
