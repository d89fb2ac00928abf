/** Images stretched to any size, as ONNX's Resize does it. */
import { type Tensor, tensor1d } from "@tensorflow/tfjs-core";
import type { ResizeNode } from "../ir/graph.ts";
import { defineOp } from "./define.ts";
import { address, emptyTensor, kernels } from "./heap.ts";

export type Resizing = Pick<ResizeNode, "mode" | "size" | "scales" | "coordinates" | "rounding">;

/** What a pixel of a side is made of: (1 − share)·x[first] + share·x[second]. */
export interface Mixture {
  first: number;
  second: number;
  share: number;
}

/** The mixture of each output pixel along side 0 (rows) or 1 (columns) of an input of `length`. */
export function mixturesOf(length: number, side: 0 | 1, resizing: Resizing): Mixture[] {
  const { mode, size, scales, coordinates, rounding } = resizing;
  return Array.from({ length: size[side] }, (_, i) => {
    const position = sourcePosition(i, scales[side], length, size[side], coordinates);
    const clamped = Math.min(Math.max(position, 0), length - 1);
    if (mode === "nearest") {
      const nearest = Math.min(Math.max(round(position, rounding), 0), length - 1);
      return { first: nearest, second: nearest, share: 0 };
    }
    const first = Math.floor(clamped);
    return { first, second: Math.min(first + 1, length - 1), share: clamped - first };
  });
}

/** Where output pixel i lies in the input (ONNX's coordinate_transformation_mode). */
function sourcePosition(
  i: number,
  scale: number,
  length: number,
  outLength: number,
  coordinates: Resizing["coordinates"],
): number {
  switch (coordinates) {
    case "asymmetric":
      return i / scale;
    case "half_pixel":
      return (i + 0.5) / scale - 0.5;
    case "half_pixel_symmetric": {
      // The centres of input and output meet, also where the output was cut to whole pixels.
      const adjustment = outLength / (scale * length);
      return (length / 2) * (1 - adjustment) + (i + 0.5) / scale - 0.5;
    }
    case "pytorch_half_pixel":
      return outLength > 1 ? (i + 0.5) / scale - 0.5 : 0;
    case "tf_half_pixel_for_nn":
      return (i + 0.5) / scale;
    case "align_corners":
      return outLength > 1 ? (i * (length - 1)) / (outLength - 1) : 0;
  }
}

function round(position: number, rounding: Resizing["rounding"]): number {
  switch (rounding) {
    case "floor":
      return Math.floor(position);
    case "ceil":
      return Math.ceil(position);
    case "round_prefer_floor":
      return Math.ceil(position - 0.5);
    case "round_prefer_ceil":
      return Math.floor(position + 0.5);
  }
}

interface Attributes {
  resizing: Resizing;
  shape: readonly [batch: number, height: number, width: number, channels: number];
}

type Kernel = "resize" | "resizeGradient";

/** Calls a kernel with the two tables that it wants (`assembly/training/resize.ts`). */
function call(kernel: Kernel, from: Tensor, to: Tensor, { resizing, shape }: Attributes): void {
  const tables = ([0, 1] as const).map((side) => table(mixturesOf(shape[1 + side]!, side, resizing)));
  const [rows, columns] = tables.map(address) as [number, number];
  kernels()[kernel](address(from), address(to), rows, columns, ...shape, ...resizing.size);
  for (const value of tables) value.dispose();
}

/** Four words an output pixel: both indices and the share, as the bits of integers. */
function table(mixtures: readonly Mixture[]): Tensor {
  const words = new Int32Array(4 * mixtures.length);
  const floats = new Float32Array(words.buffer);
  for (const [i, { first, second, share }] of mixtures.entries()) {
    words.set([first, second], 4 * i);
    floats[4 * i + 2] = share;
  }
  return tensor1d(words, "int32");
}

const op = defineOp<{ x: Tensor }, Attributes>({
  name: "Resize",
  forward: ({ x }, attributes) => {
    const [batch, , , channels] = attributes.shape;
    const y = emptyTensor([batch, ...attributes.resizing.size, channels]);
    call("resize", x, y, attributes);
    return y;
  },
  gradient: {
    backward: ([dy], _saved, attributes) => ({
      x: () => {
        const dx = emptyTensor(attributes.shape);
        call("resizeGradient", dy!, dx, attributes);
        return dx;
      },
    }),
  },
});

/** x [N, H, W, C] → [N, size[0], size[1], C]: see `ResizeNode`. Gradient to x. */
export function resize(x: Tensor, resizing: Resizing): Tensor {
  return op({ x }, { resizing, shape: x.shape as [number, number, number, number] })[0]!;
}
