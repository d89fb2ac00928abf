/** Statistics of each image on its own. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { activationCode } from "./activation.ts";
import { defineOp } from "./define.ts";
import { address, emptyTensor, kernels } from "./heap.ts";
import { statisticsGradient } from "./normalize.ts";
import { applyScaleShift, channelScratch, rowsOf } from "./rows.ts";

/** Unbiased standard deviation (`spreadKind` of `assembly/statistics.ts`). */
const STANDARD_DEVIATION = 1;

const perImage = defineOp<{ x: Tensor }, object>({
  name: "StatisticsPerImage",
  forward: ({ x }) => {
    const { groups, rows, channels } = rowsOf(x, x.shape[0]!);
    const mean = emptyTensor([groups, channels]);
    const std = emptyTensor([groups, channels]);
    const work = channelScratch(channels, 9);
    kernels().statistics(
      address(x),
      groups,
      rows,
      channels,
      address(mean),
      address(std),
      STANDARD_DEVIATION,
      work,
    );
    return [mean, std];
  },
  gradient: {
    savedInputs: ["x"],
    savedOutputs: [true, true],
    backward: ([dmean, dstd], [x, mean, std]) => ({
      x: () => {
        const rows = rowsOf(x!, x!.shape[0]!);
        const { slope, offset } = statisticsGradient(rows.rows, mean!, std!, dmean!, dstd!);
        return applyScaleShift(x!, slope, offset, activationCode(undefined), rows);
      },
    }),
  },
});

/**
 * Mean m = Σx/n and unbiased standard deviation s = √(Σ(x − m)²/(n − 1)), over the n positions of the middle
 * axes, for every image and channel; s = 0, with gradient 0, where n = 1 or all values are equal.
 *
 * @param x [G, ..., C]
 * @returns mean and std, each [G, C], differentiable to x.
 */
export function statisticsPerImage(x: Tensor): { mean: Tensor; std: Tensor } {
  const [mean, std] = perImage({ x }, {});
  return { mean: mean!, std: std! };
}
