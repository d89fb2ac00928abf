import { tensor } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { type Binary, initializeKernels, view } from "../../src/kernels/heap.ts";
import { scaleShiftWithStatistics } from "../../src/kernels/normalize.ts";
import { statisticsPerImage } from "../../src/kernels/statistics.ts";
import { checkOp, randomInput } from "./gradcheck.ts";

function naiveStatistics(x: Float64Array, images: number, channels: number) {
  const rows = x.length / images / channels;
  const mean = new Float64Array(images * channels);
  const std = new Float64Array(images * channels);
  const at = (i: number): number => Math.floor(i / channels / rows) * channels + (i % channels);
  x.forEach((value, i) => {
    mean[at(i)]! += value / rows;
  });
  x.forEach((value, i) => {
    std[at(i)]! += (value - mean[at(i)]!) ** 2 / (rows - 1);
  });
  return { mean, std: std.map(Math.sqrt) };
}

describe.each<Binary>(["baseline", "relaxed"])("%s", (binary) => {
  beforeAll(async () => {
    await initializeKernels({ binary });
  });

  const shapes = [
    [1, 2, 1],
    [2, 1, 2, 3],
    [3, 5, 7, 1],
    [2, 5, 7, 3],
    [2, 8, 8, 4],
    [5, 3, 11, 17],
    [2, 32, 33, 3],
    [2, 40, 9],
  ];
  it.each([[[100_003, 3]], [[12_007, 24]], [[20_011, 17]]])(
    "statistics and the normalized values of %j, more than caches hold",
    (shape) => {
      const channels = shape[1]!;
      const values = randomInput(shape, 1, 3, 2);
      const x = tensor(Float32Array.from(values.data), shape);
      const vector = (value: number) => tensor(new Float32Array(channels).fill(value), [channels]);
      const { y, mean, std } = scaleShiftWithStatistics(x, vector(2), vector(-5), { kind: "relu" });
      const expected = naiveStatistics(Float64Array.from(view(x)), 1, channels);
      view(mean).forEach((value, c) => void expect(value).toBeCloseTo(expected.mean[c]!, 5));
      view(std).forEach((value, c) => void expect(value).toBeCloseTo(expected.std[c]!, 5));
      const input = view(x);
      const worst = view(y).reduce(
        (error, value, i) => Math.max(error, Math.abs(value - Math.max(0, 2 * input[i]! - 5))),
        0,
      );
      expect(worst).toBeLessThan(1e-5);
    },
  );

  it.each(shapes.map((shape) => [shape] as const))("statisticsPerImage of %j", (shape) => {
    const [images, channels] = [shape[0]!, shape.at(-1)!];
    for (const output of ["mean", "std"] as const) {
      checkOp({
        inputs: [randomInput(shape, 1, 3, 2)],
        run: ([x]) => statisticsPerImage(x!)[output],
        naive: ([x]) => naiveStatistics(x!, images, channels)[output],
        samples: 30,
      });
    }
  });

  it("has no spread on one row", () => {
    const { mean, std } = statisticsPerImage(tensor([1, 2, 3, 4], [2, 1, 2]));
    expect([...view(mean)]).toEqual([1, 2, 3, 4]);
    expect([...view(std)]).toEqual([0, 0, 0, 0]);
  });
});
