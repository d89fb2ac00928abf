/** The transpose of a convolution, which is what a convolution's gradient by its input computes. */
import { type Tensor, reshape as tfReshape, transpose as tfTranspose } from "@tensorflow/tfjs-core";
import type { ConvTranspose2dNode } from "../ir/graph.ts";
import {
  type ConvAttributes,
  type ConvOptions,
  filterGradient,
  forward,
  inputGradient,
  type Shape4,
  shape4,
} from "./conv2d.ts";
import { defineFilterOp } from "./filterOp.ts";

export type TransposedGeometry = Pick<
  ConvTranspose2dNode,
  "strides" | "dilations" | "padding" | "outputPadding" | "groups"
>;

/** The convolution from y to x that this is the transpose of. Its filter is [kH, kW, O/groups, C]. */
interface Attributes {
  convolution: ConvAttributes;
}

const { trainable, frozen } = defineFilterOp<Attributes>("ConvTranspose2d", {
  forward: (x, filter, { convolution }) =>
    withFilter(filter, convolution, (turned) => inputGradient(x, turned, convolution)),
  inputGradient: (dy, filter, { convolution }) =>
    withFilter(filter, convolution, (turned) => forward(dy, turned, convolution)),
  filterGradient: (x, dy, { convolution }) => {
    const gradient = filterGradient(dy, x, convolution);
    const [kernelHeight, kernelWidth, groupOutputs, channels] = convolution.filterShape;
    const { groups } = convolution.geometry;
    const turned = swapChannels(gradient, groups);
    gradient.dispose();
    const out = tfReshape(turned, [kernelHeight, kernelWidth, channels / groups, groupOutputs * groups]);
    turned.dispose();
    return out;
  },
});

/**
 * y[n, i·sh + kh·dh − top, j·sw + kw·dw − left, o] += x[n, i, j, g·C/G + c] · filter[kh, kw, c, o]: see
 * `ConvTranspose2dNode`. Differentiable by both inputs.
 *
 * @param x [N, H, W, C]
 * @param filter [kH, kW, C/groups, O]
 */
export function convTranspose2d(
  x: Tensor,
  filter: Tensor,
  { strides, dilations, padding, outputPadding, groups }: TransposedGeometry,
  { frozenFilter = false }: ConvOptions = {},
): Tensor {
  const [batch, height, width, channels] = shape4(x, "input");
  const [kernelHeight, kernelWidth, , outputs] = shape4(filter, "filter");
  const along = (size: number, kernel: number, axis: 0 | 1, cropped: number): number =>
    (size - 1) * strides[axis] + (kernel - 1) * dilations[axis] + 1 - cropped + outputPadding[axis];
  const yShape: Shape4 = [
    batch,
    along(height, kernelHeight, 0, padding.top + padding.bottom),
    along(width, kernelWidth, 1, padding.left + padding.right),
    outputs,
  ];
  const convolution: ConvAttributes = {
    geometry: { strides, dilations, padding, groups },
    xShape: yShape,
    filterShape: [kernelHeight, kernelWidth, outputs / groups, channels],
  };
  return (frozenFilter ? frozen : trainable)({ x, filter }, { convolution })[0]!;
}

/** Runs `compute` with the filter as the convolution has it, and releases that. */
function withFilter(
  filter: Tensor,
  { filterShape, geometry: { groups } }: ConvAttributes,
  compute: (turned: Tensor) => Tensor,
): Tensor {
  const swapped = swapChannels(filter, groups);
  const turned = tfReshape(swapped, filterShape);
  swapped.dispose();
  const y = compute(turned);
  turned.dispose();
  return y;
}

/** [kH, kW, A, G·B] → [kH·kW, B, G, A]: in every group what is read and what is written change places. */
function swapChannels(filter: Tensor, groups: number): Tensor {
  const [kernelHeight, kernelWidth, read, written] = filter.shape as Shape4;
  const grouped = tfReshape(filter, [kernelHeight * kernelWidth, read, groups, written / groups]);
  const swapped = tfTranspose(grouped, [0, 3, 2, 1]);
  grouped.dispose();
  return swapped;
}
