import { image, tensor, tensor4d } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { mixturesOf, type Resizing } from "../../src/ir/resizing.ts";
import type { Shape4 } from "../../src/kernels/conv2d.ts";
import { type Binary, initializeKernels, view } from "../../src/kernels/heap.ts";
import { resize } from "../../src/kernels/resize.ts";
import { onCpu } from "../support/cpuBackend.ts";
import { checkOp, expectClose, randomInput } from "./gradcheck.ts";

const COORDINATES = [
  "half_pixel",
  "half_pixel_symmetric",
  "pytorch_half_pixel",
  "align_corners",
  "asymmetric",
  "tf_half_pixel_for_nn",
] as const;

function resizing(
  [height, width]: [number, number],
  size: [number, number],
  rest: Pick<Resizing, "mode" | "coordinates"> & Partial<Resizing>,
): Resizing {
  return { size, scales: [size[0] / height, size[1] / width], rounding: "round_prefer_floor", ...rest };
}

/** Every output pixel from the four that its row and column mix. */
function naiveResize(x: Float64Array, shape: readonly number[], options: Resizing): Float64Array {
  const [batch, height, width, channels] = shape as [number, number, number, number];
  const [rows, columns] = [mixturesOf(height, 0, options), mixturesOf(width, 1, options)];
  const y: number[] = [];
  for (let n = 0; n < batch; n++) {
    for (const row of rows) {
      for (const column of columns) {
        for (let c = 0; c < channels; c++) {
          const at = (h: number, w: number) => x[((n * height + h) * width + w) * channels + c]!;
          const along = (h: number) =>
            (1 - column.share) * at(h, column.first) + column.share * at(h, column.second);
          y.push((1 - row.share) * along(row.first) + row.share * along(row.second));
        }
      }
    }
  }
  return Float64Array.from(y);
}

describe.each<Binary>(["baseline", "relaxed"])("resize, %s", (binary) => {
  beforeAll(async () => {
    await initializeKernels({ binary });
  });

  describe.each(COORDINATES)("%s", (coordinates) => {
    it.each([
      [[3, 5], [7, 11], 1],
      [[5, 4], [2, 3], 3],
      [[1, 6], [4, 1], 4],
      [[4, 4], [8, 8], 5],
      [[7, 3], [7, 3], 17],
    ] as [[number, number], [number, number], number][])("%j to %j, %i channels", (from, to, channels) => {
      for (const mode of ["nearest", "linear"] as const) {
        const shape = [2, ...from, channels];
        const options = resizing(from, to, { mode, coordinates });
        checkOp({
          inputs: [randomInput(shape, 1)],
          run: ([x]) => resize(x!, options),
          naive: ([x]) => naiveResize(x!, shape, options),
          samples: 40,
        });
      }
    });
  });

  it.each([
    ["asymmetric", false, false],
    ["align_corners", true, false],
    ["half_pixel", false, true],
  ] as const)("mixes as tfjs does with %s", async (coordinates, alignCorners, halfPixelCenters) => {
    const { shape, data } = randomInput([2, 5, 7, 3], 2);
    const expected = await onCpu(() =>
      image.resizeBilinear(tensor4d(data, shape as Shape4), [9, 4], alignCorners, halfPixelCenters),
    );
    const y = resize(tensor(data, shape), resizing([5, 7], [9, 4], { mode: "linear", coordinates }));
    expectClose(view(y), expected, 1e-6);
  });

  it("picks the pixels that tfjs picks", async () => {
    const { shape, data } = randomInput([2, 5, 7, 3], 2);
    const expected = await onCpu(() =>
      image.resizeNearestNeighbor(tensor4d(data, shape as Shape4), [11, 4], false, true),
    );
    const options = resizing([5, 7], [11, 4], {
      mode: "nearest",
      coordinates: "tf_half_pixel_for_nn",
      rounding: "floor",
    });
    expect(view(resize(tensor(data, shape), options))).toEqual(expected);
  });

  it("rounds halves as each rounding says", () => {
    const line = tensor([0, 1, 2, 3], [1, 1, 4, 1]);
    // Positions 0, 0.5, 1, … 3.5.
    const picked = (rounding: Resizing["rounding"]) => [
      ...view(
        resize(line, resizing([1, 4], [1, 8], { mode: "nearest", coordinates: "asymmetric", rounding })),
      ),
    ];
    expect(picked("round_prefer_floor")).toEqual([0, 0, 1, 1, 2, 2, 3, 3]);
    expect(picked("round_prefer_ceil")).toEqual([0, 1, 1, 2, 2, 3, 3, 3]);
    expect(picked("floor")).toEqual([0, 0, 1, 1, 2, 2, 3, 3]);
    expect(picked("ceil")).toEqual([0, 1, 1, 2, 2, 3, 3, 3]);
  });
});
