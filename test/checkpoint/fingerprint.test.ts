import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fingerprintOf, identifyRun } from "../../src/checkpoint/fingerprint.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { resolveReconstruction } from "../../src/quantization/options.ts";
import { resolveSynthesis } from "../../src/synthesis/options.ts";

function network(weights: Float32Array = Float32Array.of(1, 2, 3, 4)): Graph {
  return {
    name: "net",
    inputs: [{ name: "x", shape: [-1, 2] }],
    outputs: ["y"],
    nodes: [{ op: "dense", name: "fc", inputs: ["x", "w"], output: "y" }],
    constants: new Map([
      ["w", { shape: [2, 2], data: weights }],
      ["unused", { shape: [1], data: new Float32Array(1) }],
    ]),
  };
}

describe("a fingerprint", () => {
  it("is the same for equal runs, however their keys are ordered", async () => {
    const graph = network();
    const turned = { ...network(), constants: new Map([...network().constants].reverse()) };
    const one = await fingerprintOf(graph, { seed: 0, nested: { a: 1, b: [1, 2] }, absent: undefined });
    expect(one).toMatch(/^[0-9a-f]{64}$/);
    expect(await fingerprintOf(turned, { nested: { b: [1, 2], a: 1 }, seed: 0 })).toBe(one);
  });

  it("differs with one bit of a weight, with a node, an option, the images", async () => {
    const bits = new Uint32Array(Float32Array.of(1, 2, 3, 4).buffer);
    bits[3]! ^= 1;
    const graph = network();
    const renamed = { ...graph, nodes: graph.nodes.map((node) => ({ ...node, name: "head" })) };
    const activated = {
      ...graph,
      nodes: graph.nodes.map((node) => ({ ...node, activation: { kind: "relu" } })),
    } as Graph;
    const runs: [Graph, Record<string, unknown>][] = [
      [graph, { seed: 0 }],
      [network(new Float32Array(bits.buffer)), { seed: 0 }],
      [renamed, { seed: 0 }],
      [activated, { seed: 0 }],
      [graph, { seed: 1 }],
      [graph, { seed: "0" }],
      [graph, { seed: [0] }],
      [graph, { seed: { 0: 0 } }],
      [graph, { seed: Float32Array.of(0) }],
      [graph, { seed: Int32Array.of(0) }],
      [graph, { seed: null }],
      [graph, {}],
    ];
    const prints = await Promise.all(runs.map(([net, what]) => fingerprintOf(net, what)));
    expect(new Set(prints).size).toBe(runs.length);
  });

  it("differs for different options", async () => {
    const graph = network();
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), fc.jsonValue(), async (a, b) => {
        // JSON.stringify with sorted keys, objects marked as such, is the independent notion of equality.
        const canonical = (value: unknown): string =>
          JSON.stringify(value, (_, item) =>
            item && typeof item === "object" && !Array.isArray(item)
              ? ["object", ...Object.entries(item).sort(([x], [y]) => (x < y ? -1 : 1))]
              : item,
          );
        const same = (await fingerprintOf(graph, { a })) === (await fingerprintOf(graph, { a: b }));
        expect(same).toBe(canonical(a) === canonical(b));
      }),
      { numRuns: 100 },
    );
  });

  it("of 16 MB takes less than a second and does not keep the thread", async () => {
    const graph = network(new Float32Array(4e6));
    // Of this process's own work: the clock on the wall also counts what others do.
    const work = (): number => process.cpuUsage().user / 1000;
    const start = work();
    let ticks = 0;
    let longest = 0;
    let last = start;
    const timer = setInterval(() => {
      ticks++;
      longest = Math.max(longest, work() - last);
      last = work();
    }, 1);
    await fingerprintOf(graph, {});
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(0);
    expect(Math.max(longest, work() - last)).toBeLessThan(200);
    expect(work() - start).toBeLessThan(1000);
  });
});

describe("a run's description", () => {
  it("says model, bits, budget and seed", async () => {
    const { description } = await identifyRun(network(), {
      synthesis: plain(resolveSynthesis({ images: 128, iterations: 100, seed: 7 })),
      reconstruction: plain(resolveReconstruction({ weightBits: 2, iterations: 500, seed: 7 })),
      arithmetic: "relaxed-fma",
      workers: 2,
    });
    expect(description).toBe(
      '"net", W2A4 (brecq), 128 images of 100 iterations, 500 iterations a block, seed 7',
    );
  });
});

function plain<T extends { onProgress?: unknown; signal?: unknown }>({ onProgress, signal, ...rest }: T) {
  return rest;
}
