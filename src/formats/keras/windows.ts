/** Strides, dilations and padding of a Keras layer that moves a window. */
import type { Padding } from "../../ir/graph.ts";
import type { LayerBuilder } from "./layerBuilder.ts";

/**
 * TensorFlow's padding: "valid" none; "causal" all before a sequence; "same" so much that the output has ⌈size / stride⌉ rows, the odd row below
 * and to the right: total = max(0, (⌈size / s⌉ − 1)·s + (k − 1)·d + 1 − size).
 *
 * @param shape Of the image that it moves over.
 * @throws GenieError `unsupported-operator` for channels first, and other paddings.
 */
export function paddingOf(
  layer: LayerBuilder,
  shape: readonly number[],
  kernel: readonly [number, number],
  strides: readonly [number, number],
  dilations: readonly [number, number],
): Padding {
  requireChannelsLast(layer);
  const mode = layer.config.padding ?? "valid";
  if (mode === "valid") return { top: 0, bottom: 0, left: 0, right: 0 };
  if (mode === "causal" && layer.isSequential) {
    return { top: 0, bottom: 0, left: (kernel[1] - 1) * dilations[1], right: 0 };
  }
  if (mode !== "same") throw layer.unsupported(`padding ${JSON.stringify(mode)} is not supported`);
  return samePadding(shape, kernel, strides, dilations);
}

/** TensorFlow's "same" for an image [N, H, W, C]. */
export function samePadding(
  shape: readonly number[],
  kernel: readonly [number, number],
  strides: readonly [number, number],
  dilations: readonly [number, number],
): Padding {
  const total = (axis: 0 | 1): number => {
    const size = shape[1 + axis]!;
    const rows = (Math.ceil(size / strides[axis]) - 1) * strides[axis];
    return Math.max(0, rows + (kernel[axis] - 1) * dilations[axis] + 1 - size);
  };
  const [down, across] = [total(0), total(1)];
  const [top, left] = [Math.floor(down / 2), Math.floor(across / 2)];
  return { top, bottom: down - top, left, right: across - left };
}

export function requireChannelsLast(layer: LayerBuilder): void {
  const format = layer.config.data_format ?? "channels_last";
  if (format !== "channels_last")
    throw layer.unsupported(`data_format ${JSON.stringify(format)} is not supported`);
}

/**
 * A setting that says how much of each side: n, [rows, columns] or [[top, bottom], [left, right]]; of a layer of
 * sequences n or [before, behind].
 */
export function bordersOf(layer: LayerBuilder, setting: string): [[number, number], [number, number]] {
  const value = layer.config[setting] ?? 1;
  const axes: unknown[] = layer.isSequential ? [0, value] : Array.isArray(value) ? value : [value, value];
  const both = axes.map((axis) => (Array.isArray(axis) ? axis : [axis, axis]));
  const isValid =
    both.length === 2 &&
    both.every((ends) => ends.length === 2 && ends.every((n) => Number.isInteger(n) && n >= 0));
  if (!isValid) throw layer.invalid(`its ${setting} is ${JSON.stringify(value)}`);
  return both as [[number, number], [number, number]];
}
