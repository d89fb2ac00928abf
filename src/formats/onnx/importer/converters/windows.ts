/** What convolutions and pooling share: strides, dilations and padding of a 2-D window. */
import type { Padding } from "../../../../ir/graph.ts";
import type { Operation } from "../operation.ts";
import type { Activation } from "../values.ts";

export interface Windows {
  strides: [number, number];
  dilations: [number, number];
  padding: Padding;
}

/** @throws GenieError `unsupported-operator` unless `x` is an image [N, C, H, W]. */
export function checkImage(operation: Operation, x: Activation): void {
  if (x.shape.length !== 4) {
    throw operation.unsupported(`its input has shape [${x.shape}]; only images [N, C, H, W] are supported`);
  }
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
  if (kernel?.length !== 2 || kernel.some((size) => size < 1)) {
    throw operation.invalid(`its kernel_shape is [${kernel}]`);
  }
  return [kernel[0]!, kernel[1]!];
}

function pair(operation: Operation, attribute: string): [number, number] {
  const values = operation.ints(attribute) ?? [1, 1];
  if (values.length !== 2 || values.some((value) => value < 1)) {
    throw operation.invalid(`its ${attribute} are [${values}]`);
  }
  return [values[0]!, values[1]!];
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
      if (pads.length !== 4) throw operation.invalid(`its pads are [${pads}]`);
      if (pads.some((value) => value < 0)) throw operation.unsupported(`negative pads [${pads}]`);
      return [
        [pads[0]!, pads[1]!],
        [pads[2]!, pads[3]!],
      ];
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
