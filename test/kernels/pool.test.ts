import { grads, tensor } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { type Binary, initializeKernels, view } from "../../src/kernels/heap.ts";
import { averagePool2d, globalAveragePool, maxPool2d, type Pooling } from "../../src/kernels/pool.ts";
import { checkOp, randomInput } from "./gradcheck.ts";

const PLAIN: Pooling = {
  kernel: [2, 2],
  strides: [2, 2],
  dilations: [1, 1],
  padding: { top: 0, bottom: 0, left: 0, right: 0 },
  countPadding: false,
};
const PADDED: Pooling = { ...PLAIN, kernel: [3, 3], padding: { top: 1, bottom: 1, left: 1, right: 1 } };
const LOPSIDED: Pooling = {
  kernel: [3, 2],
  strides: [1, 3],
  dilations: [2, 1],
  padding: { top: 2, bottom: 1, left: 0, right: 1 },
  countPadding: false,
};
const POOLINGS: [name: string, pooling: Pooling, shape: number[]][] = [
  ["2×2", PLAIN, [2, 6, 8, 4]],
  ["2×2, odd size", PLAIN, [1, 7, 5, 3]],
  ["3×3, padded", PADDED, [2, 7, 7, 5]],
  ["3×3, padding counted", { ...PADDED, countPadding: true }, [2, 7, 6, 17]],
  ["dilated, uneven", LOPSIDED, [1, 9, 7, 1]],
  ["dilated, uneven, padding counted", { ...LOPSIDED, countPadding: true }, [3, 5, 6, 7]],
  ["all", { ...PLAIN, kernel: [4, 5] }, [2, 4, 5, 8]],
];

/** Reduces, for every output, the list of values its window sees. */
function naivePool(
  x: Float64Array,
  [batch, height, width, channels]: number[],
  { kernel, strides, dilations, padding }: Pooling,
  reduce: (values: number[]) => number,
): Float64Array {
  const steps = (size: number, axis: 0 | 1): number =>
    Math.floor((size - (kernel[axis] - 1) * dilations[axis] - 1) / strides[axis]) + 1;
  const outHeight = steps(height! + padding.top + padding.bottom, 0);
  const outWidth = steps(width! + padding.left + padding.right, 1);
  const y: number[] = [];
  for (let n = 0; n < batch!; n++) {
    for (let oh = 0; oh < outHeight; oh++) {
      for (let ow = 0; ow < outWidth; ow++) {
        for (let c = 0; c < channels!; c++) {
          const values: number[] = [];
          for (let kh = 0; kh < kernel[0]; kh++) {
            for (let kw = 0; kw < kernel[1]; kw++) {
              const h = oh * strides[0] + kh * dilations[0] - padding.top;
              const w = ow * strides[1] + kw * dilations[1] - padding.left;
              if (h < 0 || h >= height! || w < 0 || w >= width!) continue;
              values.push(x[((n * height! + h) * width! + w) * channels! + c]!);
            }
          }
          y.push(reduce(values));
        }
      }
    }
  }
  return Float64Array.from(y);
}

describe.each<Binary>(["baseline", "relaxed"])("%s", (binary) => {
  beforeAll(async () => {
    await initializeKernels({ binary });
  });

  it.each(POOLINGS)("averagePool2d %s", (_name, pooling, shape) => {
    const divisor = (values: number[]): number =>
      pooling.countPadding ? pooling.kernel[0] * pooling.kernel[1] : values.length;
    checkOp({
      inputs: [randomInput(shape, 1)],
      run: ([x]) => averagePool2d(x!, pooling),
      naive: ([x]) =>
        naivePool(x!, shape, pooling, (values) => values.reduce((a, b) => a + b, 0) / divisor(values)),
      samples: 40,
    });
  });

  it.each(POOLINGS)("maxPool2d %s", (_name, pooling, shape) => {
    checkOp({
      inputs: [randomInput(shape, 2)],
      run: ([x]) => maxPool2d(x!, pooling),
      naive: ([x]) => naivePool(x!, shape, pooling, (values) => Math.max(...values)),
      samples: 40,
    });
  });

  it("gives the gradient of a maximum to the first of equals", () => {
    const x = tensor([1, 3, 3, 3, 2, 2, 2, 2], [1, 2, 4, 1]);
    const [dx] = grads((a) => maxPool2d(a, PLAIN))([x], tensor([5, 7], [1, 1, 2, 1]));
    expect([...view(dx!)]).toEqual([0, 5, 7, 0, 0, 0, 0, 0]);
  });

  it.each([1, 3, 4, 17])("globalAveragePool, %i channels", (channels) => {
    const shape = [3, 5, 7, channels];
    checkOp({
      inputs: [randomInput(shape, 3)],
      run: ([x]) => globalAveragePool(x!),
      naive: ([x]) =>
        naivePool(
          x!,
          shape,
          { ...PLAIN, kernel: [5, 7] },
          (values) => values.reduce((a, b) => a + b, 0) / values.length,
        ),
    });
  });

  it("refuses a window that does not fit", () => {
    const x = tensor([1, 2], [1, 1, 2, 1]);
    expect(() => maxPool2d(x, PLAIN)).toThrow(/does not fit/);
  });
});
