import { type Tensor, tensor, tidy } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, test } from "vitest";
import { runAll, uploadConstants } from "../../src/engine/feeds.ts";
import { run } from "../../src/engine/run.ts";
import { inputValues } from "../../src/images.ts";
import { fuseActivations } from "../../src/ir/fuse.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { type Binary, initializeKernels } from "../../src/kernels/heap.ts";
import { allNetworks } from "../ir/builders.ts";
import { evaluate } from "../ir/evaluate.ts";

const BATCH = 3;

/** Deterministic inputs in −1…1 that differ from image to image. */
const pixels = (size: number): Float32Array =>
  Float32Array.from({ length: size }, (_, i) => Math.sin(1.7 * i + 0.3));

const perImage = (shape: readonly number[]): number => shape.slice(1).reduce((a, b) => a * b, 1);

describe.each<Binary>(["baseline", "relaxed"])("run, %s", (binary) => {
  beforeAll(() => initializeKernels({ binary }));

  test.each(allNetworks())("%s gives what plain loops in float64 give", (_name, graph) => {
    for (const variant of [graph, fuseActivations(graph)]) {
      const data = variant.inputs.map(({ shape }) => pixels(BATCH * perImage(shape)));
      const outputs = tidy(() => {
        const feeds = new Map<string, Tensor>(uploadConstants(variant));
        variant.inputs.forEach(({ name, shape }, i) => {
          feeds.set(name, tensor(data[i]!, [BATCH, ...shape.slice(1)] as [number]));
        });
        return [...run(variant, feeds)].map(([name, value]) => ({ name, data: value.dataSync() }));
      });
      for (let image = 0; image < BATCH; image++) {
        const expected = evaluate(
          variant,
          Object.fromEntries(
            variant.inputs.map(({ name, shape }, i) => {
              const size = perImage(shape);
              return [name, data[i]!.subarray(image * size, (image + 1) * size)];
            }),
          ),
        );
        for (const { name, data: actual } of outputs) {
          const row = expected.get(name)!;
          const scale = Math.max(...row.map(Math.abs), 1e-3);
          row.forEach((value, i) => {
            expect(Math.abs(actual[image * row.length + i]! - value) / scale).toBeLessThan(1e-5);
          });
        }
      }
    }
  });

  test("runAll does not depend on the batch size", async () => {
    const graph: Graph = allNetworks()[0]![1];
    const shape = [7, ...graph.inputs[0]!.shape.slice(1)];
    const inputs = inputValues(graph.inputs, { shape, data: pixels(7 * perImage(shape)) });
    const once = await runAll(graph, inputs, { batchSize: 7 });
    const pieces = await runAll(graph, inputs, { batchSize: 3 });
    expect([...once.keys()]).toEqual(graph.outputs);
    expect(pieces).toEqual(once);
  });
});
