/** The frozen teacher: a float model run for the statistics of its BatchNorm inputs, with swing convolution. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { inferenceAffine, inferenceOps } from "../engine/ops.ts";
import type { Ops } from "../engine/run.ts";
import { scaleShiftWithStatistics } from "../kernels/normalize.ts";
import { reflectShift } from "../kernels/spatial.ts";

/** Per-channel statistics of one BatchNorm's input over N, H, W: mean m and unbiased standard deviation s, [C]. */
export interface BatchStatistics {
  node: string;
  mean: Tensor;
  std: Tensor;
}

/**
 * Ops of the teacher: as in inference, and
 * - every batchNorm hands the statistics of its input to `collect`, from the same pass that normalizes it;
 * - with `swing`, every convolution whose stride is not 1 sees its input reflect-padded by 1 and cropped back
 *   at an offset in {0, 1, 2}² (swing convolution: GENIE, section 3.2), drawn anew by `offset` for each call.
 */
export function teacherOps(
  collect: (statistics: BatchStatistics) => void,
  offset: (() => number) | null,
): Ops {
  const swung = (node: { strides: [number, number] }, inputs: Tensor[]): Tensor[] => {
    if (!offset || (node.strides[0] === 1 && node.strides[1] === 1)) return inputs;
    return [reflectShift(inputs[0]!, offset(), offset()), ...inputs.slice(1)];
  };
  return {
    ...inferenceOps,
    conv2d: (node, inputs) => inferenceOps.conv2d(node, swung(node, inputs)),
    depthwiseConv2d: (node, inputs) => inferenceOps.depthwiseConv2d(node, swung(node, inputs)),
    batchNorm: (node, inputs) => {
      const { scale, shift } = inferenceAffine(node, inputs);
      const { y, mean, std } = scaleShiftWithStatistics(inputs[0]!, scale, shift, node.activation);
      collect({ node: node.name, mean, std });
      return y;
    },
  };
}
