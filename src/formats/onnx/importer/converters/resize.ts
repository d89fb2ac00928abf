/** Upsample and Resize, where they repeat whole pixels. */
import type { GraphBuilder } from "../graphBuilder.ts";
import type { Operation } from "../operation.ts";
import type { Activation, Value } from "../values.ts";
import type { Converter } from "./converter.ts";
import { checkImage } from "./windows.ts";

/** Longest side that we look at pixel by pixel. */
const MAX_SIDE = 2 ** 14;

export const resize: Record<string, Converter> = {
  Upsample: (operation, graph) => {
    const scales = operation.floats("scales") ?? operation.optionalIntegers(1);
    return upsample(operation, graph, scales, "asymmetric", "floor");
  },
  Resize: (operation, graph) => {
    const x = operation.activation(0);
    if (operation.opset < 11) {
      return upsample(operation, graph, operation.optionalIntegers(1), "asymmetric", "floor");
    }
    const sizes = operation.inputs[3] ? operation.constant(3) : undefined;
    const axes = operation.ints("axes")?.map((axis) => operation.axis(axis, x.shape.length));
    const stated = sizes
      ? Array.from(sizes.data, (size, i) => {
          const axis = axes?.[i] ?? i;
          return axis === 0 ? 1 : size / x.shape[axis]!;
        })
      : operation.optionalIntegers(2);
    const scales = axes ? x.shape.map((_, axis) => stated?.[axes.indexOf(axis)] ?? 1) : stated;
    return upsample(
      operation,
      graph,
      scales,
      operation.string("coordinate_transformation_mode", "half_pixel"),
      operation.string("nearest_mode", "round_prefer_floor"),
    );
  },
};

/** @param scales By ONNX's axes. */
function upsample(
  operation: Operation,
  graph: GraphBuilder,
  scales: number[] | undefined,
  coordinates: string,
  rounding: string,
): Value {
  const given = operation.activation(0);
  checkImage(operation, given);
  const mode = operation.string("mode", "nearest");
  if (mode !== "nearest") throw operation.unsupported(`mode "${mode}"; only nearest is supported`);
  if (scales?.length !== 4) throw operation.invalid(`its scales are [${scales}]`);
  const [batch, channels, ...factors] = scales as [number, number, number, number];
  const isWhole = factors.every((factor) => Number.isSafeInteger(factor) && factor >= 1);
  if (batch !== 1 || channels !== 1 || !isWhole) {
    throw operation.unsupported(
      `scales [${scales}]; only whole factors of the height and width are supported`,
    );
  }
  const repeats = factors.every((factor, i) =>
    repeatsPixels(given.shape[2 + i]!, factor, coordinates, rounding),
  );
  if (!repeats) {
    throw operation.unsupported(`with "${coordinates}" and "${rounding}" it does not repeat whole pixels`);
  }
  const x: Activation = graph.channelsLast(given);
  return graph.add(
    operation,
    { op: "upsampleNearest", inputs: [x.name], factors: [factors[0]!, factors[1]!] },
    x.order,
  );
}

/** Whether output pixel i is input pixel ⌊i / factor⌋ for every i. */
function repeatsPixels(size: number, factor: number, coordinates: string, rounding: string): boolean {
  const length = size * factor;
  if (length > MAX_SIDE) return false;
  for (let i = 0; i < length; i++) {
    const position = sourcePosition(i, factor, length, coordinates);
    const nearest = Math.min(Math.max(round(position, rounding), 0), size - 1);
    if (nearest !== Math.floor(i / factor)) return false;
  }
  return true;
}

function sourcePosition(i: number, factor: number, length: number, coordinates: string): number {
  switch (coordinates) {
    case "asymmetric":
      return i / factor;
    case "half_pixel":
    case "half_pixel_symmetric":
      return (i + 0.5) / factor - 0.5;
    case "pytorch_half_pixel":
      return length > 1 ? (i + 0.5) / factor - 0.5 : 0;
    case "tf_half_pixel_for_nn":
      return (i + 0.5) / factor;
    case "align_corners":
      return length > 1 ? (i * (length / factor - 1)) / (length - 1) : 0;
    default:
      return Number.NaN;
  }
}

function round(position: number, rounding: string): number {
  switch (rounding) {
    case "floor":
      return Math.floor(position);
    case "ceil":
      return Math.ceil(position);
    case "round_prefer_floor":
      return Math.ceil(position - 0.5);
    case "round_prefer_ceil":
      return Math.floor(position + 0.5);
    default:
      return Number.NaN;
  }
}
