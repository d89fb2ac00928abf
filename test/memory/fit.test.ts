import { describe, expect, test } from "vitest";
import { openSession } from "../../src/index.ts";
import { fuseActivations } from "../../src/ir/fuse.ts";
import { reconstructionBytes, synthesisBytes } from "../../src/memory/estimate.ts";
import { residual } from "../ir/builders.ts";

const graph = fuseActivations(residual(2));
const tiny = { synthesis: { batchSize: 512, iterations: 1 }, reconstruction: { iterations: 1 }, images: 8 };

describe("a run that may take little memory", () => {
  test("takes smaller batches, and says so", async () => {
    const size = { batchSize: 8, mode: "genie" as const, latents: 256, swing: true };
    const memory = Math.max(
      synthesisBytes(graph, size) + 1e6,
      reconstructionBytes(graph, { batchSize: 32, slabSize: 64 }) + 1e6,
    );
    const session = await openSession({ workers: 0, memory });
    const notes: string[] = [];
    const { model, images } = await session.quantize(graph, { ...tiny, onNote: (note) => notes.push(note) });
    expect(images.shape[0]).toBe(8);
    expect(model.weights.size).toBeGreaterThan(0);
    expect(notes.join("\n")).toMatch(/synthesis: batches of \d+ instead of 512 images fit into 0\.\d+ GB/);
  });

  test("is refused before it starts where nothing fits", async () => {
    const session = await openSession({ workers: 0, memory: 1e6 });
    await expect(session.quantize(graph, tiny)).rejects.toMatchObject({
      code: "unsupported-runtime",
      message: expect.stringMatching(/out of memory: synthesis needs .* allow more memory/),
    });
  });

  test("with enough, batches are what was asked for", async () => {
    const session = await openSession({ workers: 0, memory: 8e9 });
    const notes: string[] = [];
    await session.quantize(graph, { ...tiny, onNote: (note) => notes.push(note) });
    expect(notes).toEqual([]);
  });
});
