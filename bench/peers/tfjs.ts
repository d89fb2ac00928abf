/** tfjs-backend-wasm's own kernels on the same tensors: XNNPACK forward, plain loops backward. */
import {
  conv2d,
  depthwiseConv2d,
  engine,
  matMul,
  type Tensor,
  type Tensor4D,
  tidy,
} from "@tensorflow/tfjs-core";
import type { ConvLayer } from "../layers.ts";

export function matMulTfjs(a: Tensor, b: Tensor, transposeA: boolean, transposeB: boolean): () => void {
  return () => tidy(() => void matMul(a, b, transposeA, transposeB));
}

/** tfjs's explicit padding: NHWC, before and after. */
function padding({ padding: { top, bottom, left, right } }: ConvLayer): [number, number][] {
  return [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ];
}

type ExplicitPadding = Parameters<typeof conv2d>[3];

export function conv2dTfjs(x: Tensor, filter: Tensor, layer: ConvLayer): () => void {
  const pad = padding(layer) as ExplicitPadding;
  return () => tidy(() => void conv2d(x as Tensor4D, filter as Tensor4D, layer.stride, pad));
}

export function depthwiseTfjs(x: Tensor, filter: Tensor, layer: ConvLayer): () => void {
  const pad = padding(layer) as ExplicitPadding;
  return () => tidy(() => void depthwiseConv2d(x as Tensor4D, filter as Tensor4D, layer.stride, pad));
}

export function conv2dInputGradientTfjs(dy: Tensor, filter: Tensor, layer: ConvLayer): () => void {
  const attributes = {
    strides: layer.stride,
    pad: padding(layer),
    dataFormat: "NHWC",
    inputShape: layer.input,
  };
  return () =>
    tidy(() => void engine().runKernel("Conv2DBackpropInput", { dy, filter }, attributes as never));
}
