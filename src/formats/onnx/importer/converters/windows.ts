/** What convolutions and pooling share: strides, dilations and padding of a 2-D window. */
import type { Padding } from "../../../../ir/graph.ts";
import type { GraphBuilder } from "../graphBuilder.ts";
import type { Operation } from "../operation.ts";
import { type Activation, channelsLast } from "../values.ts";

export interface Windows {
  strides: [number, number];
  dilations: [number, number];
  padding: Padding;
}

/**
 * The value as an image [N, C, H, W]: itself, or a line [N, C, L] as an image of height 1, in the same memory.
 *
 * @returns With it, what turns an image of height 1 back where the value was a line.
 * @throws GenieError `unsupported-operator` for other ranks.
 */
export function asImage(
  operation: Operation,
  graph: GraphBuilder,
  x: Activation,
): { image: Activation; restore: (y: Activation) => Activation } {
  if (x.shape.length === 4) return { image: x, restore: (y) => y };
  if (x.shape.length !== 3) {
    throw operation.unsupported(
      `its input has shape [${x.shape}]; only images [N, C, H, W] and lines [N, C, L] are supported`,
    );
  }
  const line = graph.channelsLast(x);
  const [batch, channels, length] = x.shape as [number, number, number];
  return {
    image: graph.view(operation, line, [batch, channels, 1, length], channelsLast(4), "image"),
    restore: (y) => {
      const [, outputs, , columns] = y.shape as [number, number, number, number];
      return graph.view(operation, y, [batch, outputs, columns], channelsLast(3), "line");
    },
  };
}

/**
 * Reads strides, dilations, pads and auto_pad.
 *
 * SAME gives ⌈size / stride⌉ outputs, the odd row of padding at the end (SAME_UPPER) or the start (SAME_LOWER).
 * With ceil_mode the last window may reach beyond the padding but must start before its end part: such
 * windows get `ceilPadding` more below and to the right, which averages never count.
 */
export function readWindows(
  operation: Operation,
  [, , height, width]: readonly number[],
  kernel: [number, number],
): Windows & { ceilPadding: [number, number] } {
  const strides = pair(operation, "strides");
  const dilations = pair(operation, "dilations");
  const sizes = [height!, width!] as const;
  const extent = kernel.map((size, i) => (size - 1) * dilations[i]! + 1) as [number, number];
  const [begin, end] = readPads(operation, sizes, extent, strides);
  const isCeil = operation.int("ceil_mode", 0) === 1;
  const ceilPadding = sizes.map((size, i) => {
    if (!isCeil) return 0;
    const padded = size + begin[i]! + end[i]!;
    const last = Math.ceil((padded - extent[i]!) / strides[i]!) * strides[i]!;
    return last < size + begin[i]! ? Math.max(0, last + extent[i]! - padded) : 0;
  }) as [number, number];
  return {
    strides,
    dilations,
    padding: { top: begin[0], left: begin[1], bottom: end[0], right: end[1] },
    ceilPadding,
  };
}

/** `kernel_shape`. */
export function readKernel(operation: Operation): [number, number] {
  const kernel = operation.ints("kernel_shape");
  if (!kernel) throw operation.invalid("it has no kernel_shape");
  return pairOf(operation, "kernel_shape", kernel, 1);
}

function pair(operation: Operation, attribute: string): [number, number] {
  return pairOf(operation, attribute, operation.ints(attribute) ?? [1, 1], 1);
}

/** Two values, or one for the columns of a line, whose rows have `neutral`. */
function pairOf(operation: Operation, attribute: string, values: readonly number[], neutral: number): Pair {
  const isLine = operation.activation(0).shape.length === 3;
  const both = isLine && values.length === 1 ? [neutral, values[0]!] : values;
  if (both.length !== 2 || both.some((value) => value < neutral)) {
    throw operation.invalid(`its ${attribute} are [${values}]`);
  }
  return [both[0]!, both[1]!];
}

type Pair = [number, number];

function readPads(
  operation: Operation,
  sizes: readonly [number, number],
  extent: Pair,
  strides: Pair,
): [begin: Pair, end: Pair] {
  const mode = operation.string("auto_pad", "NOTSET");
  switch (mode) {
    case "NOTSET":
    case "": {
      const pads = operation.ints("pads") ?? [0, 0, 0, 0];
      if (pads.some((value) => value < 0)) throw operation.unsupported(`negative pads [${pads}]`);
      const half = pads.length / 2;
      const side = (begin: number) => pairOf(operation, "pads", pads.slice(begin, begin + half), 0);
      return [side(0), side(half)];
    }
    case "VALID":
      return [
        [0, 0],
        [0, 0],
      ];
    case "SAME_UPPER":
    case "SAME_LOWER": {
      const total = sizes.map((size, i) =>
        Math.max(0, (Math.ceil(size / strides[i]!) - 1) * strides[i]! + extent[i]! - size),
      ) as Pair;
      const less = total.map((value) => Math.floor(value / 2)) as Pair;
      const more = total.map((value) => Math.ceil(value / 2)) as Pair;
      return mode === "SAME_UPPER" ? [less, more] : [more, less];
    }
    default:
      throw operation.invalid(`auto_pad "${mode}" is unknown`);
  }
}

export interface TransposedWindows extends Windows {
  outputPadding: [number, number];
}

/**
 * Reads what ConvTranspose says about its output. Where it states the output's shape, or asks for SAME (size · stride),
 * the padding is what is too much then: the odd row at the end for SAME_UPPER, else at the start.
 */
export function readTransposedWindows(
  operation: Operation,
  [, , height, width]: readonly number[],
  kernel: [number, number],
): TransposedWindows {
  const strides = pair(operation, "strides");
  const dilations = pair(operation, "dilations");
  const stated = operation.ints("output_padding");
  const outputPadding: Pair = stated ? pairOf(operation, "output_padding", stated, 0) : [0, 0];
  const sizes = [height!, width!] as const;
  const full = sizes.map(
    (size, i) => (size - 1) * strides[i]! + (kernel[i]! - 1) * dilations[i]! + 1,
  ) as Pair;
  const mode = operation.string("auto_pad", "NOTSET");
  const shape = operation.ints("output_shape");
  const isSame = mode.startsWith("SAME");
  if (!shape && !isSame) {
    const [begin, end] = readPads(operation, sizes, kernel, strides);
    const padding = { top: begin[0], left: begin[1], bottom: end[0], right: end[1] };
    return { strides, dilations, padding, outputPadding };
  }
  const wanted: Pair = shape
    ? pairOf(operation, "output_shape", shape.slice(shape.length > 2 ? 2 : 0), 1)
    : [sizes[0] * strides[0], sizes[1] * strides[1]];
  const begin: Pair = [0, 0];
  const end: Pair = [0, 0];
  for (const axis of [0, 1] as const) {
    const surplus = full[axis] + outputPadding[axis] - wanted[axis];
    // Less than nothing to take off is something to add.
    outputPadding[axis] += Math.max(0, -surplus);
    const less = Math.floor(Math.max(0, surplus) / 2);
    const more = Math.max(0, surplus) - less;
    [begin[axis], end[axis]] = mode === "SAME_UPPER" ? [less, more] : [more, less];
  }
  const padding = { top: begin[0], left: begin[1], bottom: end[0], right: end[1] };
  return { strides, dilations, padding, outputPadding };
}
