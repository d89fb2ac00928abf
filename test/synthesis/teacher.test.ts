import { tensor, tidy } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, test } from "vitest";
import { fuseActivations } from "../../src/ir/fuse.ts";
import type { Graph, InputRange } from "../../src/ir/graph.ts";
import { initializeKernels, view } from "../../src/kernels/heap.ts";
import { inputLayout } from "../../src/synthesis/inputLayout.ts";
import { createTeacher } from "../../src/synthesis/teacher.ts";
import { classifier, convNormRelu, GraphBuilder } from "../ir/builders.ts";

function strided(): Graph {
  const b = new GraphBuilder([-1, 12, 6, 1]);
  return fuseActivations(b.outputs(classifier(b, convNormRelu(b, "stem", "input", 4, 2), 4)));
}

/** Statistics losses in several iterations of images whose columns are constant, other than those beside them. */
function losses(range: InputRange, swing: boolean): Set<number> {
  const graph = strided();
  const teacher = createTeacher(graph, inputLayout(graph), range, swing);
  const columns = [-15, 3, 0, 7, -2, 1];
  const pixels = Float32Array.from({ length: 4 * 12 * 6 }, (_, i) => columns[i % 6]!);
  const found = Array.from(
    { length: 8 },
    (_, iteration) =>
      tidy(() => {
        const images = tensor(pixels, [4, 12, 6, 1]);
        return Math.fround(view(teacher.loss(images, images, 7, iteration))[0]!);
      }) as unknown as number,
  );
  teacher.dispose();
  return new Set(found);
}

const byChannel = { mean: [0], std: [1] };
const byColumn = { mean: Array(6).fill(0), std: Array(6).fill(1) };

describe("swing convolution", () => {
  beforeAll(() => initializeKernels());

  test("moves images down and across, anew in each iteration", () => {
    expect(losses(byChannel, true).size).toBeGreaterThan(1);
    expect(losses(byChannel, false).size).toBe(1);
  });

  test("leaves columns where they are that have ranges of their own", () => {
    expect(losses(byColumn, true).size).toBe(1);
  });
});

describe("the BatchNorm behind raw pixels", () => {
  beforeAll(() => initializeKernels());

  test("weighs as much whatever the unit of the pixels", () => {
    // The same network for inputs 100 times as large: filters as they were, statistics in the larger unit.
    const term = (unit: number): number => {
      const graph = strided();
      const scaled = (name: string, factor: number): void => {
        const constant = graph.constants.get(name)!;
        constant.data = constant.data.map((value) => value * factor);
      };
      scaled("stem.bn/mean", unit);
      scaled("stem.bn/variance", unit * unit);
      const teacher = createTeacher(graph, inputLayout(graph), { mean: [unit], std: [2 * unit] }, false);
      const normal = Float32Array.from({ length: 4 * 12 * 6 }, (_, i) => Math.sin(i));
      const loss = tidy(() => {
        const images = tensor(
          normal.map((value) => unit * (2 * value + 1)),
          [4, 12, 6, 1],
        );
        return view(teacher.loss(images, tensor(normal, [4, 12, 6, 1]), 0, 0))[0]!;
      }) as unknown as number;
      teacher.dispose();
      return loss;
    };
    expect(term(100)).toBeCloseTo(term(1), 3);
  });
});
