/** Upsample and Resize. */
import type { ResizeNode } from "../../../../ir/graph.ts";
import { mixturesOf, type Resizing } from "../../../../ir/resizing.ts";
import type { GraphBuilder } from "../graphBuilder.ts";
import type { Operation } from "../operation.ts";
import type { Value } from "../values.ts";
import type { Converter } from "./converter.ts";
import { asImage } from "./windows.ts";

/** Longest side that we look at pixel by pixel. */
const MAX_SIDE = 2 ** 14;

const COORDINATES: ReadonlySet<string> = new Set<ResizeNode["coordinates"]>([
  "half_pixel",
  "half_pixel_symmetric",
  "pytorch_half_pixel",
  "align_corners",
  "asymmetric",
  "tf_half_pixel_for_nn",
]);

const ROUNDINGS: ReadonlySet<string> = new Set<ResizeNode["rounding"]>([
  "round_prefer_floor",
  "round_prefer_ceil",
  "floor",
  "ceil",
]);

export const resize: Record<string, Converter> = {
  Upsample: (operation, graph) => {
    const scales = operation.floats("scales") ?? operation.optionalIntegers(1);
    return resized(operation, graph, { scales }, "asymmetric", "floor");
  },
  Resize: (operation, graph) => {
    if (operation.opset < 11) {
      return resized(operation, graph, { scales: operation.optionalIntegers(1) }, "asymmetric", "floor");
    }
    if (operation.int("antialias", 0) !== 0) throw operation.unsupported("it smooths what it makes smaller");
    const sizes = operation.inputs[3] ? Array.from(operation.constant(3).data) : undefined;
    return resized(
      operation,
      graph,
      sizes && sizes.length > 0 ? { sizes } : { scales: operation.optionalIntegers(2) },
      operation.string("coordinate_transformation_mode", "half_pixel"),
      operation.string("nearest_mode", "round_prefer_floor"),
    );
  },
};

/** What is stated of the output, for all of ONNX's axes or those that `axes` names. */
type Stated = { sizes: number[] } | { scales: number[] | undefined };

function resized(
  operation: Operation,
  graph: GraphBuilder,
  stated: Stated,
  coordinates: string,
  rounding: string,
): Value {
  const { image: x, restore } = asImage(operation, graph, operation.activation(0));
  const mode = operation.string("mode", "nearest");
  if (mode !== "nearest" && mode !== "linear" && mode !== "bilinear") {
    throw operation.unsupported(`mode "${mode}"; only nearest and linear are supported`);
  }
  if (!COORDINATES.has(coordinates)) throw operation.unsupported(`coordinates "${coordinates}"`);
  if (!ROUNDINGS.has(rounding)) throw operation.invalid(`its nearest_mode is "${rounding}"`);
  const [height, width] = x.shape.slice(2) as [number, number];
  const resizing: Resizing = {
    mode: mode === "nearest" ? mode : "linear",
    coordinates: coordinates as Resizing["coordinates"],
    rounding: rounding as Resizing["rounding"],
    ...sidesOf(operation, stated, [height, width]),
  };
  const { size } = resizing;
  if (size.some((side) => !(side >= 1 && side <= MAX_SIDE))) {
    throw operation.invalid(`it resizes [${x.shape}] to ${size.join(" by ")} pixels`);
  }
  const factors: [number, number] = [size[0] / height, size[1] / width];
  const repeats = ([0, 1] as const).every((side) => repeatsPixels(x.shape[2 + side]!, side, resizing));
  const image = graph.channelsLast(x);
  return restore(
    graph.add(
      operation,
      repeats
        ? { op: "upsampleNearest", inputs: [image.name], factors }
        : { op: "resize", inputs: [image.name], ...resizing },
      image.order,
    ),
  );
}

/** Size and scale of both sides of an image, or of a line, which has a height of 1. */
function sidesOf(
  operation: Operation,
  stated: Stated,
  sides: [number, number],
): Pick<Resizing, "size" | "scales"> {
  const rank = operation.activation(0).shape.length;
  const lead = 4 - rank;
  const list = "sizes" in stated ? stated.sizes : stated.scales;
  const axes = operation.ints("axes")?.map((axis) => operation.axis(axis, rank)) ?? list?.map((_, i) => i);
  if (!list || list.length !== axes?.length) throw operation.invalid(`its scales or sizes are [${list}]`);
  const given = new Map(axes.map((axis, i) => [axis + (axis < 2 ? 0 : lead), list[i]!]));
  const channels = operation.activation(0).shape[1];
  const isKept = (axis: number, size: number | undefined) => {
    const value = given.get(axis);
    return value === undefined || value === ("sizes" in stated ? size : 1);
  };
  if ((!isKept(0, 1) && !("sizes" in stated)) || !isKept(1, channels)) {
    throw operation.unsupported(`it resizes the batch or channels, to [${list}]`);
  }
  if (!("sizes" in stated)) {
    const scales = [2, 3].map((axis) => given.get(axis) ?? 1) as [number, number];
    // ONNX computes this in single precision.
    const exact = sides.map((side, i) => Math.fround(side * scales[i]!));
    const size = exact.map(Math.floor) as [number, number];
    const isAligned = operation.string("coordinate_transformation_mode", "half_pixel") === "align_corners";
    if (isAligned && exact.some((length, i) => length !== size[i])) {
      // The standard's own tests align a corner that no pixel has; runtimes align the last pixel.
      throw operation.unsupported(`it aligns the corners of ${exact.join(" by ")} pixels`);
    }
    return { size, scales };
  }
  const wanted = sides.map((side, i) => given.get(2 + i) ?? side) as [number, number];
  const policy = operation.string("keep_aspect_ratio_policy", "stretch");
  if (policy === "stretch") {
    return { size: wanted, scales: [wanted[0] / sides[0], wanted[1] / sides[1]] };
  }
  const ratios = sides.flatMap((side, i) => (given.has(2 + i) ? [wanted[i]! / side] : []));
  const scale = policy === "not_larger" ? Math.min(...ratios) : Math.max(...ratios);
  const size = sides.map((side, i) => (given.has(2 + i) ? Math.round(side * scale) : side));
  return {
    size: size as [number, number],
    scales: sides.map((_, i) => (given.has(2 + i) ? scale : 1)) as [number, number],
  };
}

/** Whether output pixel i of a side is input pixel ⌊i / factor⌋ for every i, with a whole factor. */
function repeatsPixels(length: number, side: 0 | 1, resizing: Resizing): boolean {
  const factor = resizing.size[side] / length;
  if (resizing.mode !== "nearest" || !Number.isSafeInteger(factor)) return false;
  return mixturesOf(length, side, resizing).every(({ first }, i) => first === Math.floor(i / factor));
}
