/** Nearest ×2 upsampling and a 3×3 convolution as one: a transposed convolution at the low resolution. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { type ConvAttributes, filterGradient, forward, inputGradient, shape4 } from "./conv2d.ts";
import { defineOp } from "./define.ts";
import { emptyTensor, view } from "./heap.ts";

/** Taps of the 3-tap filter that each tap of the 4-tap filter adds up, along one axis. */
const SUMMED_TAPS = [[2], [1, 2], [0, 1], [0]] as const;

const op = defineOp<{ x: Tensor; filter: Tensor }, object>({
  name: "UpsampleConv2d",
  forward: ({ x, filter }) => {
    const wide = expand(filter);
    const y = inputGradient(x, wide, attributesOf(x, filter));
    wide.dispose();
    return y;
  },
  gradient: {
    savedInputs: ["x", "filter"],
    backward: ([dy], [x, filter]) => ({
      x: () => forward(dy!, expand(filter!), attributesOf(x!, filter!)),
      filter: () => contract(filterGradient(dy!, x!, attributesOf(x!, filter!)), filter!.shape),
    }),
  },
});

/**
 * y = conv2d(upsampleNearest(x, [2, 2]), filter) with one row and column of zeros around.
 *
 * The four upsampled copies of a pixel meet the 3×3 filter in sums of its taps only, so y is the transposed
 * convolution of x, stride 2, with the 4×4 filter F[a] = Σ w[SUMMED_TAPS[a]] along both axes: 16 multiply-adds an
 * input pixel and pair of channels where the upsampled image takes 36, and no upsampled image.
 *
 * @param x [N, H, W, C]
 * @param filter [3, 3, C, O]
 * @returns [N, 2H, 2W, O], differentiable by both.
 */
export function upsampleConv2d(x: Tensor, filter: Tensor): Tensor {
  return op({ x, filter }, {})[0]!;
}

/** The convolution, stride 2, from y [N, 2H, 2W, O] to x [N, H, W, C] whose transpose this is. */
function attributesOf(x: Tensor, filter: Tensor): ConvAttributes {
  const [batch, height, width, channels] = shape4(x, "input");
  const outChannels = shape4(filter, "filter")[3];
  return {
    geometry: {
      strides: [2, 2],
      dilations: [1, 1],
      padding: { top: 1, bottom: 1, left: 1, right: 1 },
      groups: 1,
    },
    xShape: [batch, 2 * height, 2 * width, outChannels],
    filterShape: [4, 4, outChannels, channels],
  };
}

/** [3, 3, C, O] → [4, 4, O, C], each tap the sum of those that fall together. */
function expand(filter: Tensor): Tensor {
  const [, , channels, outChannels] = shape4(filter, "filter");
  const wide = emptyTensor([4, 4, outChannels, channels]);
  const [source, target] = [view(filter), view(wide)];
  target.fill(0);
  forEachPair((from, to) => {
    addTransposed(
      source.subarray(from * channels * outChannels),
      channels,
      outChannels,
      target.subarray(to * channels * outChannels),
    );
  });
  return wide;
}

/** The transpose of `expand`: [4, 4, O, C] → [3, 3, C, O]. Takes over `wide`. */
function contract(wide: Tensor, shape: readonly number[]): Tensor {
  const [, , channels, outChannels] = shape as [number, number, number, number];
  const filter = emptyTensor(shape);
  const [source, target] = [view(wide), view(filter)];
  target.fill(0);
  forEachPair((to, from) => {
    addTransposed(
      source.subarray(from * channels * outChannels),
      outChannels,
      channels,
      target.subarray(to * channels * outChannels),
    );
  });
  wide.dispose();
  return filter;
}

/** Every pair of a tap of the 3×3 filter and a tap of the 4×4 filter that contains it, as indices. */
function forEachPair(visit: (narrow: number, wide: number) => void): void {
  SUMMED_TAPS.forEach((rows, wideRow) => {
    SUMMED_TAPS.forEach((columns, wideColumn) => {
      for (const row of rows) {
        for (const column of columns) visit(3 * row + column, 4 * wideRow + wideColumn);
      }
    });
  });
}

/** target [columns, rows] += transpose of source [rows, columns]. */
function addTransposed(source: Float32Array, rows: number, columns: number, target: Float32Array): void {
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      const at = c * rows + r;
      target[at] = target[at]! + source[r * columns + c]!;
    }
  }
}
