import { tensor } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { type Binary, initializeKernels } from "../../src/kernels/heap.ts";
import { reflectShift, upsampleNearest } from "../../src/kernels/spatial.ts";
import { checkOp, randomInput } from "./gradcheck.ts";

/** y of `shape`, each element read from the pixel that `source` names. */
function gather(
  x: Float64Array,
  [, height, width, channels]: number[],
  [batch, outHeight, outWidth]: number[],
  source: (h: number, w: number) => [number, number],
): Float64Array {
  const y: number[] = [];
  for (let n = 0; n < batch!; n++) {
    for (let h = 0; h < outHeight!; h++) {
      for (let w = 0; w < outWidth!; w++) {
        const [fromH, fromW] = source(h, w);
        for (let c = 0; c < channels!; c++) {
          y.push(x[((n * height! + fromH) * width! + fromW) * channels! + c]!);
        }
      }
    }
  }
  return Float64Array.from(y);
}

const CHANNELS = [1, 3, 4, 5, 8, 17];

describe.each<Binary>(["baseline", "relaxed"])("%s", (binary) => {
  beforeAll(async () => {
    await initializeKernels({ binary });
  });

  describe("upsampleNearest", () => {
    it.each(CHANNELS)("%i channels", (channels) => {
      const shape = [2, 3, 5, channels];
      for (const factors of [
        [2, 2],
        [1, 3],
        [3, 1],
        [1, 1],
      ] as [number, number][]) {
        checkOp({
          inputs: [randomInput(shape, 1)],
          run: ([x]) => upsampleNearest(x!, factors),
          naive: ([x]) =>
            gather(x!, shape, [2, 3 * factors[0], 5 * factors[1]], (h, w) => [
              Math.floor(h / factors[0]),
              Math.floor(w / factors[1]),
            ]),
        });
      }
    });
  });

  describe("reflectShift", () => {
    const sizes = [
      [4, 5],
      [2, 2],
      [2, 7],
      [1, 3],
      [3, 1],
      [1, 1],
    ];
    const offsets = [0, 1, 2].flatMap((y) => [0, 1, 2].map((x) => [y, x] as const));

    it.each(CHANNELS)("all offsets, %i channels", (channels) => {
      for (const [height, width] of sizes as [number, number][]) {
        const mirror = (index: number, size: number): number => {
          if (size === 1) return 0;
          if (index < 0) return -index;
          return index >= size ? 2 * (size - 1) - index : index;
        };
        for (const [offsetY, offsetX] of offsets) {
          const shape = [2, height, width, channels];
          checkOp({
            inputs: [randomInput(shape, 2)],
            run: ([x]) => reflectShift(x!, offsetY, offsetX),
            naive: ([x]) =>
              gather(x!, shape, shape, (h, w) => [
                mirror(h + offsetY - 1, height),
                mirror(w + offsetX - 1, width),
              ]),
            samples: 30,
          });
        }
      }
    });

    it("refuses other offsets", () => {
      expect(() => reflectShift(tensor([1], [1, 1, 1, 1]), 3, 0)).toThrow(/swing offset/);
    });
  });
});
