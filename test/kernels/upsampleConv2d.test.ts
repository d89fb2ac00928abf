import { engine, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, test } from "vitest";
import { conv2d } from "../../src/kernels/conv2d.ts";
import { type Binary, initializeKernels } from "../../src/kernels/heap.ts";
import { randomNormal } from "../../src/kernels/random.ts";
import { upsampleNearest } from "../../src/kernels/spatial.ts";
import { upsampleConv2d } from "../../src/kernels/upsampleConv2d.ts";

const GEOMETRY = {
  strides: [1, 1] as [number, number],
  dilations: [1, 1] as [number, number],
  padding: { top: 1, bottom: 1, left: 1, right: 1 },
};

describe.each<Binary>(["baseline", "relaxed"])("upsampleConv2d, %s", (binary) => {
  beforeAll(() => initializeKernels({ binary }));

  test.each([
    [1, 1, 1, 1, 1],
    [2, 3, 5, 4, 8],
    [3, 7, 2, 5, 3],
    [1, 4, 4, 17, 9],
  ])("%i images %i×%i, %i → %i channels: as upsampling and convolving", (n, h, w, c, o) => {
    const results = tidy(() => {
      const x = randomNormal([n, h, w, c], 1, 0);
      const filter = randomNormal([3, 3, c, o], 1, 1);
      const dy = randomNormal([n, 2 * h, 2 * w, o], 1, 2);
      const both = [
        () => upsampleConv2d(x, filter),
        () => conv2d(upsampleNearest(x, [2, 2]), filter, GEOMETRY),
      ];
      return both.map((f) => {
        const { value, grads } = engine().gradients(f, [x, filter], dy);
        return [value, ...grads].map((tensor: Tensor) => tensor.arraySync() as number[]);
      }) as never;
    }) as unknown as number[][][];
    results[0]!.forEach((fused, i) => {
      const expected = results[1]![i]!.flat(4);
      const scale = Math.max(...expected.map(Math.abs));
      fused.flat(4).forEach((value, at) => {
        expect(Math.abs(value - expected[at]!) / scale).toBeLessThan(1e-5);
      });
    });
  });
});
