/** What convolutions and pooling share: strides, dilations and padding of a 2-D window. */
import type { Padding } from "../../../ir/graph.ts";
import type { NetworkBuilder } from "../networkBuilder.ts";
import type { Operation } from "../operation.ts";
import { type Activation, fileShape } from "../values.ts";

export const NO_PADDING: Padding = { top: 0, bottom: 0, left: 0, right: 0 };

/** Input `index` as [N, H, W, C] in memory. @throws GenieError `unsupported-operator` unless it is an image. */
export function image(operation: Operation, graph: NetworkBuilder, index = 0): Activation {
  const value = operation.activation(index);
  const format = operation.text("data_format", "NHWC");
  if (format !== "NHWC") throw operation.unsupported(`data format ${format}; only NHWC is supported`);
  const settled = graph.settle(value);
  if (settled.axes.join() !== "0,1,2,3") {
    throw operation.unsupported(
      `its input has shape [${fileShape(value)}]; only images [N, H, W, C] are supported`,
    );
  }
  return settled;
}

/** An attribute [1, rows, columns, 1], or [rows, columns]. */
export function pair(operation: Operation, attribute: string): [number, number] {
  const values = operation.numbers(attribute) ?? [1, 1];
  const [first, ...rest] = values.length === 4 ? values.slice(1, 3) : values;
  const isPair = first !== undefined && rest.length === 1 && [first, ...rest].every((size) => size >= 1);
  if (!isPair || (values.length === 4 && (values[0] !== 1 || values[3] !== 1))) {
    throw operation.invalid(`its ${attribute} are [${values}]`);
  }
  return [first, rest[0]!];
}

/**
 * SAME gives ⌈size / stride⌉ outputs, the odd row of padding at the end; VALID pads nothing; EXPLICIT lists
 * [0, 0, top, bottom, left, right, 0, 0].
 */
export function paddingOf(
  operation: Operation,
  [, height, width]: readonly number[],
  kernel: readonly [number, number],
  strides: readonly [number, number],
  dilations: readonly [number, number],
): Padding {
  const mode = operation.text("padding", "VALID");
  if (mode === "VALID") return NO_PADDING;
  if (mode === "EXPLICIT") {
    const [, , top = 0, bottom = 0, left = 0, right = 0] = operation.numbers("explicit_paddings") ?? [];
    return { top, bottom, left, right };
  }
  if (mode !== "SAME") throw operation.invalid(`its padding is "${mode}"`);
  const [rows, columns] = [height!, width!].map((size, i) => {
    const extent = (kernel[i]! - 1) * dilations[i]! + 1;
    return Math.max(0, (Math.ceil(size / strides[i]!) - 1) * strides[i]! + extent - size);
  }) as [number, number];
  const [top, left] = [Math.floor(rows / 2), Math.floor(columns / 2)];
  return { top, bottom: rows - top, left, right: columns - left };
}
