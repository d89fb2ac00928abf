/** Pooling of NHWC images. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { GenieError } from "../errors.ts";
import type { Padding } from "../ir/graph.ts";
import { defineOp } from "./define.ts";
import { address, emptyTensor, kernels, scratch } from "./heap.ts";
import { columnSums, rowsOf } from "./rows.ts";

/** A window that slides over the image; in pixels, [down, across]. */
export interface Pooling {
  kernel: [number, number];
  strides: [number, number];
  dilations: [number, number];
  padding: Padding;
  /** Average only: whether padding counts in the divisor. */
  countPadding: boolean;
}

type Image = [batch: number, height: number, width: number, channels: number];

function outputShape([batch, height, width, channels]: Image, pooling: Pooling): Image {
  const { kernel, strides, dilations, padding } = pooling;
  const steps = (size: number, axis: 0 | 1): number =>
    Math.floor((size - (kernel[axis] - 1) * dilations[axis] - 1) / strides[axis]) + 1;
  const [outHeight, outWidth] = [
    steps(height + padding.top + padding.bottom, 0),
    steps(width + padding.left + padding.right, 1),
  ];
  if (!(outHeight > 0 && outWidth > 0)) {
    throw new GenieError(
      "invalid-model",
      `a window of [${kernel}] pixels does not fit into [${height}, ${width}]`,
    );
  }
  return [batch, outHeight, outWidth, channels];
}

/** The arguments that every pooling kernel takes after its addresses. */
function geometry(x: Image, y: Image, { kernel, strides, dilations, padding }: Pooling) {
  const window = [...kernel, ...strides, ...dilations] as [number, number, number, number, number, number];
  return [...x, y[1], y[2], ...window, padding.top, padding.left] as const;
}

const averageOp = defineOp<{ x: Tensor }, { shape: Image; pooling: Pooling }>({
  name: "AveragePool",
  forward: ({ x }, { shape, pooling }) => {
    const outShape = outputShape(shape, pooling);
    const y = emptyTensor(outShape);
    const counts = Number(pooling.countPadding);
    kernels().averagePool(address(x), address(y), ...geometry(shape, outShape, pooling), counts);
    return y;
  },
  gradient: {
    backward: ([dy], _saved, { shape, pooling }) => ({
      x: () => {
        const dx = emptyTensor(shape);
        const around = geometry(shape, dy!.shape as Image, pooling);
        kernels().averagePoolGradient(address(dy!), address(dx), ...around, Number(pooling.countPadding));
        return dx;
      },
    }),
  },
});

/**
 * y[n, oh, ow, c] = mean of x over the window's pixels inside the image, or, with `countPadding`, their sum over
 * the window's size. Gradient to x.
 *
 * @param x [N, H, W, C]
 * @throws GenieError `invalid-model` where the window does not fit.
 */
export function averagePool2d(x: Tensor, pooling: Pooling): Tensor {
  return averageOp({ x }, { shape: x.shape as Image, pooling })[0]!;
}

const maximumOp = defineOp<{ x: Tensor }, { shape: Image; pooling: Pooling }>({
  name: "MaxPool",
  forward: ({ x }, { shape, pooling }) => {
    const outShape = outputShape(shape, pooling);
    const y = emptyTensor(outShape);
    kernels().maxPool(address(x), address(y), ...geometry(shape, outShape, pooling));
    return y;
  },
  gradient: {
    savedInputs: ["x"],
    savedOutputs: [true],
    backward: ([dy], [x, y], { shape, pooling }) => ({
      x: () => {
        const dx = emptyTensor(shape);
        const around = geometry(shape, dy!.shape as Image, pooling);
        const rest = scratch(4 * shape[3]);
        kernels().maxPoolGradient(address(x!), address(y!), address(dy!), address(dx), ...around, rest);
        return dx;
      },
    }),
  },
});

/**
 * y[n, oh, ow, c] = maximum of x over the window's pixels inside the image. The gradient goes to the first of
 * equal maxima, in row-major order.
 *
 * @param x [N, H, W, C]
 * @throws GenieError `invalid-model` where the window does not fit.
 */
export function maxPool2d(x: Tensor, pooling: Pooling): Tensor {
  return maximumOp({ x }, { shape: x.shape as Image, pooling })[0]!;
}

const globalOp = defineOp<{ x: Tensor }, { shape: Image }>({
  name: "GlobalAveragePool",
  forward: ({ x }, { shape: [batch, height, width, channels] }) =>
    columnSums(x, rowsOf(x, batch), 1 / (height * width), [batch, 1, 1, channels]),
  gradient: {
    backward: ([dy], _saved, { shape }) => ({
      x: () => {
        const [batch, height, width, channels] = shape;
        const dx = emptyTensor(shape);
        const pixels = height * width;
        kernels().broadcastRows(address(dy!), address(dx), batch, pixels, channels, 1 / pixels);
        return dx;
      },
    }),
  },
});

/** y[n, 0, 0, c] = mean of x[n, h, w, c] over h and w: [N, H, W, C] → [N, 1, 1, C]. Gradient to x. */
export function globalAveragePool(x: Tensor): Tensor {
  return globalOp({ x }, { shape: x.shape as Image })[0]!;
}
