/** Which pixels a resized side is made of, as ONNX's Resize defines it. */
import type { ResizeNode } from "./graph.ts";

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
    if (mode === "nearest") {
      const nearest = Math.min(Math.max(round(position, rounding), 0), length - 1);
      return { first: nearest, second: nearest, share: 0 };
    }
    const clamped = Math.min(Math.max(position, 0), length - 1);
    const first = Math.floor(clamped);
    return { first, second: Math.min(first + 1, length - 1), share: clamped - first };
  });
}

/** Where output pixel i lies in the input. */
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
