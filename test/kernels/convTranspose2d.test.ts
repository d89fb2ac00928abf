import { conv2dTranspose, tensor, tensor4d } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import type { Shape4 } from "../../src/kernels/conv2d.ts";
import { convTranspose2d, type TransposedGeometry } from "../../src/kernels/convTranspose2d.ts";
import { type Binary, initializeKernels, view } from "../../src/kernels/heap.ts";
import { onCpu } from "../support/cpuBackend.ts";
import { checkOp, expectClose, randomInput } from "./gradcheck.ts";

const NO_PADDING = { top: 0, bottom: 0, left: 0, right: 0 };

interface Case extends Partial<TransposedGeometry> {
  size: [number, number];
  kernel: [number, number];
  channels: number;
  outputs: number;
}

const CASES: Case[] = [
  { size: [1, 1], kernel: [1, 1], channels: 1, outputs: 1 },
  { size: [3, 4], kernel: [3, 3], channels: 3, outputs: 5 },
  {
    size: [9, 8],
    kernel: [3, 3],
    channels: 8,
    outputs: 17,
    padding: { top: 1, bottom: 1, left: 1, right: 1 },
  },
  { size: [4, 5], kernel: [2, 2], channels: 4, outputs: 7, strides: [2, 2] },
  {
    size: [4, 3],
    kernel: [4, 4],
    channels: 5,
    outputs: 4,
    strides: [2, 2],
    padding: { top: 1, bottom: 1, left: 1, right: 1 },
  },
  {
    size: [5, 3],
    kernel: [3, 3],
    channels: 3,
    outputs: 9,
    strides: [2, 3],
    padding: { top: 2, bottom: 0, left: 1, right: 1 },
    outputPadding: [1, 2],
  },
  { size: [3, 3], kernel: [2, 3], channels: 2, outputs: 3, strides: [3, 4] },
  { size: [4, 5], kernel: [3, 2], channels: 3, outputs: 2, dilations: [2, 3] },
  { size: [4, 5], kernel: [3, 3], channels: 6, outputs: 4, groups: 2, strides: [2, 1] },
  { size: [5, 4], kernel: [3, 3], channels: 7, outputs: 7, groups: 7, strides: [2, 2] },
  { size: [1, 9], kernel: [1, 5], channels: 4, outputs: 8, strides: [1, 2] },
  // More is taken off than the kernel reaches beyond the edge.
  {
    size: [7, 7],
    kernel: [3, 3],
    channels: 4,
    outputs: 4,
    padding: { top: 3, bottom: 0, left: 0, right: 4 },
  },
];

function geometryOf({ strides, dilations, padding, outputPadding, groups }: Case): TransposedGeometry {
  return {
    strides: strides ?? [1, 1],
    dilations: dilations ?? [1, 1],
    padding: padding ?? NO_PADDING,
    outputPadding: outputPadding ?? [0, 0],
    groups: groups ?? 1,
  };
}

/** Every input pixel added to all output pixels that it reaches. */
function naive(x: Float64Array, filter: Float64Array, given: Case, batch: number): Float64Array {
  const { strides, dilations, padding, outputPadding, groups } = geometryOf(given);
  const { size, kernel, channels, outputs } = given;
  const along = (axis: 0 | 1, cropped: number) =>
    (size[axis] - 1) * strides[axis] +
    (kernel[axis] - 1) * dilations[axis] +
    1 -
    cropped +
    outputPadding[axis];
  const [height, width] = [along(0, padding.top + padding.bottom), along(1, padding.left + padding.right)];
  const depth = channels / groups;
  const y = new Float64Array(batch * height * width * outputs);
  for (let n = 0; n < batch; n++) {
    for (let i = 0; i < size[0] * size[1] * kernel[0] * kernel[1]; i++) {
      const [pixel, tap] = [Math.floor(i / (kernel[0] * kernel[1])), i % (kernel[0] * kernel[1])];
      const row =
        Math.floor(pixel / size[1]) * strides[0] + Math.floor(tap / kernel[1]) * dilations[0] - padding.top;
      const column = (pixel % size[1]) * strides[1] + (tap % kernel[1]) * dilations[1] - padding.left;
      if (row < 0 || row >= height || column < 0 || column >= width) continue;
      for (let o = 0; o < outputs; o++) {
        const first = Math.floor((o * groups) / outputs) * depth;
        for (let c = 0; c < depth; c++) {
          y[((n * height + row) * width + column) * outputs + o]! +=
            x[(n * size[0] * size[1] + pixel) * channels + first + c]! *
            filter[(tap * depth + c) * outputs + o]!;
        }
      }
    }
  }
  return y;
}

describe.each<Binary>(["baseline", "relaxed"])("convTranspose2d, %s", (binary) => {
  beforeAll(async () => {
    await initializeKernels({ binary });
  });

  it.each(CASES)("equals the definition, with both gradients: %j", (given) => {
    const { size, kernel, channels, outputs, groups = 1 } = given;
    checkOp({
      inputs: [
        randomInput([2, ...size, channels], 1),
        randomInput([...kernel, channels / groups, outputs], 2),
      ],
      run: ([x, filter]) => convTranspose2d(x!, filter!, geometryOf(given)),
      naive: ([x, filter]) => naive(x!, filter!, given, 2),
      samples: 30,
    });
  });

  it.each([1, 2, 3])("is tfjs's with stride %i and same padding", async (stride) => {
    const x = randomInput([2, 5, 6, 3], 1);
    const filter = randomInput([3, 3, 3, 7], 2);
    // tfjs's filter is [kH, kW, O, C].
    const turned = filter.data.map((_, i) => {
      const [tap, o, c] = [Math.floor(i / 21), Math.floor(i / 3) % 7, i % 3];
      return filter.data[(tap * 3 + c) * 7 + o]!;
    });
    const expected = await onCpu(() =>
      conv2dTranspose(
        tensor4d(x.data, x.shape as Shape4),
        tensor4d(turned, [3, 3, 7, 3]),
        [2, 5 * stride, 6 * stride, 7],
        stride,
        "same",
      ),
    );
    const surplus = 3 - stride;
    const [before, after] = [Math.floor(surplus / 2), Math.ceil(surplus / 2)];
    const y = convTranspose2d(
      tensor(x.data, x.shape),
      tensor(filter.data, filter.shape),
      geometryOf({
        size: [5, 6],
        kernel: [3, 3],
        channels: 3,
        outputs: 7,
        strides: [stride, stride],
        padding: { top: before, bottom: after, left: before, right: after },
      }),
    );
    expect(y.shape).toEqual([2, 5 * stride, 6 * stride, 7]);
    expectClose(view(y), expected, 1e-5);
  });
});
