/** The frozen teacher: a float model run for the statistics of its BatchNorm inputs, with swing convolution. */
import { keep, type Tensor, tensor1d } from "@tensorflow/tfjs-core";
import { disposeAll, uploadConstants } from "../engine/feeds.ts";
import { inferenceAffine, inferenceOps, type Ops } from "../engine/ops.ts";
import { run } from "../engine/run.ts";
import { affineStart } from "../ir/affine.ts";
import { firstStatistics, requireBatchNorms, upToLastBatchNorm } from "../ir/batchNorms.ts";
import type { Graph, InputRange } from "../ir/graph.ts";
import { reshape } from "../kernels/layout.ts";
import { scaleShiftWithStatistics } from "../kernels/normalize.ts";
import { randomIntegers } from "../kernels/random.ts";
import { reflectShift } from "../kernels/spatial.ts";
import { type InputLayout, isVector } from "./inputLayout.ts";
import { isPublishedRange } from "./inputRange.ts";
import { statisticsLoss, type Target } from "./loss.ts";
import { STREAM } from "./source.ts";

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
 *   at an offset in {0, 1, 2}² (swing convolution: GENIE, section 3.2), drawn anew by `swing` for each call.
 */
export function teacherOps(
  collect: (statistics: BatchStatistics) => void,
  swing: (() => [down: number, across: number]) | null,
): Ops {
  const swung = (node: { strides: [number, number] }, inputs: Tensor[]): Tensor[] => {
    if (!swing || (node.strides[0] === 1 && node.strides[1] === 1)) return inputs;
    return [reflectShift(inputs[0]!, ...swing()), ...inputs.slice(1)];
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

/** The offset of a swing that leaves pixels where they are. */
const STAY = 1;

export interface Teacher {
  /**
   * Statistics loss of a batch, on the tape, with `swing` offsets drawn from the batch's stream.
   *
   * @param images As the network takes them.
   * @param normalized The same [B, H, W, C], normalized by the input's range.
   */
  loss(images: Tensor, normalized: Tensor, seed: number, iteration: number): Tensor;
  dispose(): void;
}

/**
 * The teacher of a network whose input has this range.
 *
 * Where the input is not normalized, the BatchNorms in front of the first nonlinearity (or the first behind it) see values in the input's
 * units: their terms of the loss are taken relative to their mean variance, lest pixels of 0…255 drown all others.
 * Where columns have ranges of their own, convolutions swing up and down alone.
 *
 * @throws GenieError `no-batch-norm`.
 */
export function createTeacher(graph: Graph, layout: InputLayout, range: InputRange, swing: boolean): Teacher {
  const affine = affineStart(graph).norms;
  const first = affine.length > 0 ? affine : firstStatistics(graph);
  const inputUnits = new Set(isPublishedRange(range) ? [] : first.map(({ name }) => name));
  const targets: Target[] = requireBatchNorms(graph).map(({ name, mean, std }) => ({
    node: name,
    mean: keep(tensor1d(mean)),
    std: keep(tensor1d(std)),
    weight: inputUnits.has(name) ? std.length / std.reduce((sum, value) => sum + value * value, 0) : 1,
  }));
  const body = upToLastBatchNorm(graph);
  const constants = uploadConstants(body);
  // Columns that mean different things do not move: a spectrum shifted by one coefficient is no spectrum.
  const byColumn = range.mean.length > layout.channels;
  return {
    loss(images, normalized, seed, iteration) {
      const statistics = new Map<string, { mean: Tensor; std: Tensor }>();
      const offsets = randomIntegers(2 * body.nodes.length, 3, seed, STREAM.swing(iteration));
      let drawn = 0;
      const ops = teacherOps(
        ({ node, mean, std }) => statistics.set(node, { mean, std }),
        swing ? () => [offsets[drawn++]!, byColumn ? STAY : offsets[drawn++]!] : null,
      );
      run(body, new Map([...constants, [body.inputs[0]!.name, images]]), { ops });
      return statisticsLoss(ownStatistics(normalized, layout), targets, statistics);
    },
    dispose() {
      disposeAll(constants.values());
      disposeAll(targets.flatMap(({ mean, std }) => [mean, std]));
    },
  };
}

/** Images each with statistics over its pixels; vectors have none but over the batch, which becomes one image. */
function ownStatistics(normalized: Tensor, layout: InputLayout): Tensor {
  return isVector(layout) ? reshape(normalized, [1, -1, layout.channels]) : normalized;
}
