/** Depthwise convolution and its gradients. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { GenieError } from "../errors.ts";
import { type ConvGeometry, type ConvOptions, outputSize, type Shape4, shape4 } from "./conv2d.ts";
import { defineFilterOp } from "./filterOp.ts";
import { address, emptyTensor, kernels, scratch } from "./heap.ts";

interface Attributes {
  geometry: ConvGeometry;
  xShape: Shape4;
  filterShape: Shape4;
}

const { trainable, frozen } = defineFilterOp<Attributes>("DepthwiseConv2d", {
  forward,
  inputGradient,
  filterGradient,
});

/**
 * y[n, oh, ow, c·M + m] = Σ x[n, oh·sh + kh·dh − top, ow·sw + kw·dw − left, c] · filter[kh, kw, c, m], with x = 0
 * outside. Differentiable by both inputs.
 *
 * @param x [N, H, W, C]
 * @param filter [kH, kW, C, M], M the channel multiplier
 * @param geometry strides s, dilations d, padding
 * @returns [N, OH, OW, C·M], OH = ⌊(H + top + bottom − (kH − 1)·dh − 1) / sh⌋ + 1, OW likewise
 * @throws GenieError `invalid-model` if shapes and geometry do not fit.
 */
export function depthwiseConv2d(
  x: Tensor,
  filter: Tensor,
  { strides, dilations, padding }: ConvGeometry,
  { frozenFilter = false }: ConvOptions = {},
): Tensor {
  const attributes: Attributes = {
    geometry: { strides, dilations, padding },
    xShape: shape4(x, "input"),
    filterShape: shape4(filter, "filter"),
  };
  if (attributes.xShape[3] !== attributes.filterShape[2]) {
    throw new GenieError(
      "invalid-model",
      `a depthwise convolution of an input [${x.shape}] cannot have a filter [${filter.shape}]`,
    );
  }
  return (frozenFilter ? frozen : trainable)({ x, filter }, attributes)[0]!;
}

/** Every size that the wasm functions take, in their order; the channel multiplier is multiplied out. */
function sizes({ geometry, xShape, filterShape }: Attributes) {
  const [n, h, w, c] = xShape;
  const [kh, kw, , multiplier] = filterShape;
  const { strides, dilations, padding } = geometry;
  const size = outputSize(xShape, filterShape, geometry);
  return [
    n,
    h,
    w,
    c * multiplier,
    kh,
    kw,
    ...strides,
    ...dilations,
    padding.top,
    padding.left,
    ...size,
  ] as const;
}

function forward(x: Tensor, filter: Tensor, attributes: Attributes): Tensor {
  return withRepeatedChannels(x, attributes, (repeated) => {
    const args = sizes(attributes);
    const [n, , , channels] = args;
    const y = emptyTensor([
      n,
      ...outputSize(attributes.xShape, attributes.filterShape, attributes.geometry),
      channels,
    ]);
    const wasm = kernels();
    const memory = scratch(wasm.depthwiseScratch());
    wasm.depthwise(address(repeated), address(filter), address(y), memory, ...args);
    return y;
  });
}

function inputGradient(dy: Tensor, filter: Tensor, attributes: Attributes): Tensor {
  const args = sizes(attributes);
  const [n, h, w, channels] = args;
  const repeated = emptyTensor([n, h, w, channels]);
  const wasm = kernels();
  const memory = scratch(wasm.depthwiseScratch());
  wasm.depthwiseInputGradient(address(dy), address(filter), address(repeated), memory, ...args);
  const multiplier = attributes.filterShape[3];
  if (multiplier === 1) return repeated;
  const dx = emptyTensor(attributes.xShape);
  wasm.sumRepeated(address(repeated), address(dx), dx.size, multiplier);
  repeated.dispose();
  return dx;
}

function filterGradient(x: Tensor, dy: Tensor, attributes: Attributes): Tensor {
  return withRepeatedChannels(x, attributes, (repeated) => {
    const dFilter = emptyTensor(attributes.filterShape);
    const args = sizes(attributes);
    const wasm = kernels();
    const [, , , channels, kh, kw] = args;
    const memory = scratch(wasm.depthwiseFilterGradientScratch(channels, kh, kw));
    wasm.depthwiseFilterGradient(address(repeated), address(dy), address(dFilter), memory, ...args);
    return dFilter;
  });
}

/** Calls `compute` with x, each of its channels M times side by side. */
function withRepeatedChannels(
  x: Tensor,
  { xShape, filterShape }: Attributes,
  compute: (x: Tensor) => Tensor,
): Tensor {
  const multiplier = filterShape[3];
  if (multiplier === 1) return compute(x);
  const [n, h, w, c] = xShape;
  const repeated = emptyTensor([n, h, w, c * multiplier]);
  kernels().repeatChannels(address(x), address(repeated), x.size, multiplier);
  const result = compute(repeated);
  repeated.dispose();
  return result;
}
