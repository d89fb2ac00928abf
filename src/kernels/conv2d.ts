/** 2-D convolution and its gradients, on the same micro-kernel as GEMM. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { GenieError } from "../errors.ts";
import type { Padding } from "../ir/graph.ts";
import { defineFilterOp } from "./filterOp.ts";
import { address, emptyTensor, kernels, scratch } from "./heap.ts";
import { type UnitConvolution, winograd, winogradFilterGradient, winogradPays } from "./winograd.ts";

/** Where a filter is applied; [height, width] each. */
export interface ConvGeometry {
  strides: [number, number];
  dilations: [number, number];
  /** Rows and columns of zeros around the input; not negative. */
  padding: Padding;
}

export interface ConvOptions {
  /** No gradient by the filter will be asked for, so the input need not be kept for it. */
  frozenFilter?: boolean;
}

export type Shape4 = [number, number, number, number];

/** A convolution with all that its kernels need to know. */
export interface ConvAttributes {
  geometry: ConvGeometry & { groups: number };
  xShape: Shape4;
  filterShape: Shape4;
}

const { trainable, frozen } = defineFilterOp<ConvAttributes>("Conv2d", {
  forward,
  inputGradient,
  filterGradient,
});

/**
 * y[n, oh, ow, o] = Σ x[n, oh·sh + kh·dh − top, ow·sw + kw·dw − left, g·C/G + c] · filter[kh, kw, c, o], with x = 0
 * outside and g = ⌊o·G/O⌋ the group of o. Differentiable by both inputs.
 *
 * @param x [N, H, W, C]
 * @param filter [kH, kW, C/groups, O]
 * @param geometry strides s, dilations d, padding, groups G (default 1)
 * @returns [N, OH, OW, O], OH = ⌊(H + top + bottom − (kH − 1)·dh − 1) / sh⌋ + 1, OW likewise
 * @throws GenieError `invalid-model` if shapes and geometry do not fit.
 */
export function conv2d(
  x: Tensor,
  filter: Tensor,
  geometry: ConvGeometry & { groups?: number },
  { frozenFilter = false }: ConvOptions = {},
): Tensor {
  const { strides, dilations, padding, groups = 1 } = geometry;
  const attributes: ConvAttributes = {
    geometry: { strides, dilations, padding, groups },
    xShape: shape4(x, "input"),
    filterShape: shape4(filter, "filter"),
  };
  const [channels, perGroup, out] = [
    attributes.xShape[3],
    attributes.filterShape[2],
    attributes.filterShape[3],
  ];
  if (perGroup * groups !== channels || out % groups !== 0) {
    throw new GenieError(
      "invalid-model",
      `a convolution in ${groups} group(s) of an input [${x.shape}] cannot have a filter [${filter.shape}]`,
    );
  }
  return (frozenFilter ? frozen : trainable)({ x, filter }, attributes)[0]!;
}

/** A rank-4 shape. @throws GenieError `invalid-model` for another rank. */
export function shape4(tensor: Tensor, what: string): Shape4 {
  if (tensor.rank !== 4) {
    throw new GenieError("invalid-model", `a convolution's ${what} has rank 4, not shape [${tensor.shape}]`);
  }
  return tensor.shape as Shape4;
}

/** Output height and width. @throws GenieError `invalid-model` where the filter is larger than the padded input. */
export function outputSize(
  [, height, width]: Shape4,
  [kernelHeight, kernelWidth]: Shape4,
  { strides, dilations, padding }: ConvGeometry,
): [number, number] {
  const along = (size: number, kernel: number, axis: 0 | 1): number =>
    Math.floor((size - (kernel - 1) * dilations[axis] - 1) / strides[axis]) + 1;
  const size: [number, number] = [
    along(height + padding.top + padding.bottom, kernelHeight, 0),
    along(width + padding.left + padding.right, kernelWidth, 1),
  ];
  if (Math.min(...size) < 1) {
    throw new GenieError(
      "invalid-model",
      `a ${kernelHeight}×${kernelWidth} filter does not fit into a padded input of ${height}×${width}`,
    );
  }
  return size;
}

/** Every size that the wasm functions take, in their order. */
function sizes({ geometry, xShape, filterShape }: ConvAttributes) {
  const [n, h, w, c] = xShape;
  const [kh, kw, , o] = filterShape;
  const { strides, dilations, padding, groups } = geometry;
  const [oh, ow] = outputSize(xShape, filterShape, geometry);
  const isPointwise =
    kh * kw === 1 &&
    strides[0] * strides[1] === 1 &&
    padding.top + padding.bottom + padding.left + padding.right === 0;
  // A 1×1 convolution is a matrix product over all pixels of the batch: one image, one pixel a row.
  if (isPointwise) return [1, n * h * w, 1, c, 1, 1, o, groups, 1, 1, 1, 1, 0, 0, n * h * w, 1] as const;
  return [
    n,
    h,
    w,
    c,
    kh,
    kw,
    o,
    groups,
    ...strides,
    ...dilations,
    padding.top,
    padding.left,
    oh,
    ow,
  ] as const;
}

/** The sizes of a 3×3 convolution of one group, dilation 1 and stride 1; null for any other. */
function unitConvolution({ geometry, xShape, filterShape }: ConvAttributes): UnitConvolution | null {
  const { strides, dilations, padding, groups } = geometry;
  const [kernelHeight, kernelWidth, , o] = filterShape;
  const isUnit = groups === 1 && [...strides, ...dilations].every((step) => step === 1);
  if (!isUnit || kernelHeight !== 3 || kernelWidth !== 3) return null;
  const [n, h, w, c] = xShape;
  const [oh, ow] = outputSize(xShape, filterShape, geometry);
  return { n, h, w, c, o, top: padding.top, left: padding.left, oh, ow };
}

/** The convolution from y to x that is a convolution's gradient by its input. */
function transpose({ n, h, w, c, o, top, left, oh, ow }: UnitConvolution): UnitConvolution {
  return { n, h: oh, w: ow, c: o, o: c, top: 2 - top, left: 2 - left, oh: h, ow: w };
}

/** The convolution itself, off the tape. */
export function forward(x: Tensor, filter: Tensor, attributes: ConvAttributes): Tensor {
  const [oh, ow] = outputSize(attributes.xShape, attributes.filterShape, attributes.geometry);
  const y = emptyTensor([attributes.xShape[0], oh, ow, attributes.filterShape[3]]);
  const unit = unitConvolution(attributes);
  if (unit && winogradPays(unit)) {
    winograd(x, filter, y, unit, false);
    return y;
  }
  const wasm = kernels();
  const args = sizes(attributes);
  const memory = scratch(wasm.conv2dScratch(scratch(wasm.convHeaderBytes()), ...args));
  wasm.conv2d(address(x), address(filter), address(y), memory, ...args);
  return y;
}

/** Its gradient by the input, off the tape: the transposed convolution of dy. */
export function inputGradient(dy: Tensor, filter: Tensor, attributes: ConvAttributes): Tensor {
  const dx = emptyTensor(attributes.xShape);
  const unit = unitConvolution(attributes);
  const transposed = unit && transpose(unit);
  if (transposed && winogradPays(transposed)) {
    winograd(dy, filter, dx, transposed, true);
    return dx;
  }
  const wasm = kernels();
  const args = sizes(attributes);
  const memory = scratch(wasm.conv2dInputGradientScratch(scratch(wasm.convHeaderBytes()), ...args));
  wasm.conv2dInputGradient(address(dy), address(filter), address(dx), memory, ...args);
  return dx;
}

/** Its gradient by the filter, off the tape. */
export function filterGradient(x: Tensor, dy: Tensor, attributes: ConvAttributes): Tensor {
  const dFilter = emptyTensor(attributes.filterShape);
  const unit = unitConvolution(attributes);
  if (unit && winogradPays(unit)) {
    winogradFilterGradient(x, dy, dFilter, unit);
    return dFilter;
  }
  const wasm = kernels();
  const args = sizes(attributes);
  const memory = scratch(wasm.conv2dFilterGradientScratch(scratch(wasm.convHeaderBytes()), ...args));
  wasm.conv2dFilterGradient(address(x), address(dy), address(dFilter), memory, ...args);
  return dFilter;
}
