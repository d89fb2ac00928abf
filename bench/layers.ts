/** The distinct convolutions of the networks that are measured. */
import type { Padding } from "../src/ir/graph.ts";
import type { ConvGeometry } from "../src/kernels/conv2d.ts";

export interface ConvLayer {
  network: string;
  /** [N, H, W, C] */
  input: [number, number, number, number];
  /** Output channels; for a depthwise layer C. */
  out: number;
  kernel: number;
  stride: number;
  padding: Padding;
}

/** `kernel` / 2 zeros on every side, as PyTorch's networks have it. */
function symmetric(kernel: number): Padding {
  const side = kernel >> 1;
  return { top: side, bottom: side, left: side, right: side };
}

/** TensorFlow's "same": what is missing, the odd row and column behind. */
export function same(size: number, kernel: number, stride: number): Padding {
  const total = Math.max(0, (Math.ceil(size / stride) - 1) * stride + kernel - size);
  const [before, after] = [total >> 1, total - (total >> 1)];
  return { top: before, bottom: after, left: before, right: after };
}

export function geometryOf({ stride, padding }: Pick<ConvLayer, "stride" | "padding">): ConvGeometry {
  return { strides: [stride, stride], dilations: [1, 1], padding };
}

export function outputShape({ input: [n, h, w], out, kernel, stride, padding }: ConvLayer): number[] {
  const along = (size: number, pad: number): number => Math.floor((size + pad - kernel) / stride) + 1;
  return [n, along(h, padding.top + padding.bottom), along(w, padding.left + padding.right), out];
}

/** "3×3, 32²×16 → 16²×32" */
export function describe(layer: ConvLayer): string {
  const [, h, , c] = layer.input;
  const [, oh] = outputShape(layer);
  return `${layer.network} ${layer.kernel}×${layer.kernel} ${h}²×${c} → ${oh}²×${layer.out}`;
}

/** Rows of [size, channels, output channels, kernel, stride] as layers. */
function layers(
  network: string,
  batch: number,
  rows: readonly [number, number, number, number, number][],
  padding: (size: number, kernel: number, stride: number) => Padding,
): ConvLayer[] {
  return rows.map(([size, channels, out, kernel, stride]) => ({
    network,
    input: [batch, size, size, channels],
    out,
    kernel,
    stride,
    padding: padding(size, kernel, stride),
  }));
}

const centred = (_size: number, kernel: number): Padding => symmetric(kernel);

export const CONVOLUTIONS: readonly ConvLayer[] = [
  ...layers(
    "ResNet-20",
    128,
    [
      [32, 3, 16, 3, 1],
      [32, 16, 16, 3, 1],
      [32, 16, 32, 3, 2],
      [16, 32, 32, 3, 1],
      [16, 32, 64, 3, 2],
      [8, 64, 64, 3, 1],
    ],
    centred,
  ),
  ...layers(
    "generator",
    128,
    [
      [16, 128, 64, 3, 1],
      [32, 64, 3, 3, 1],
    ],
    centred,
  ),
  ...layers(
    "ResNet-18",
    8,
    [
      [224, 3, 64, 7, 2],
      [56, 64, 64, 3, 1],
      [56, 64, 128, 3, 2],
      [56, 64, 128, 1, 2],
      [28, 128, 128, 3, 1],
      [28, 128, 256, 3, 2],
      [28, 128, 256, 1, 2],
      [14, 256, 256, 3, 1],
      [14, 256, 512, 3, 2],
      [14, 256, 512, 1, 2],
      [7, 512, 512, 3, 1],
    ],
    centred,
  ),
  ...layers(
    "MobileNetV1",
    16,
    [
      [224, 3, 24, 3, 2],
      [112, 24, 48, 1, 1],
      [56, 48, 96, 1, 1],
      [56, 96, 96, 1, 1],
      [28, 96, 192, 1, 1],
      [28, 192, 192, 1, 1],
      [14, 192, 384, 1, 1],
      [14, 384, 384, 1, 1],
      [7, 384, 768, 1, 1],
      [7, 768, 768, 1, 1],
    ],
    same,
  ),
];

export const DEPTHWISE: readonly ConvLayer[] = layers(
  "MobileNetV1",
  16,
  [
    [112, 24, 24, 3, 1],
    [112, 48, 48, 3, 2],
    [56, 96, 96, 3, 1],
    [56, 96, 96, 3, 2],
    [28, 192, 192, 3, 1],
    [28, 192, 192, 3, 2],
    [14, 384, 384, 3, 1],
    [14, 384, 384, 3, 2],
    [7, 768, 768, 3, 1],
  ],
  same,
);
