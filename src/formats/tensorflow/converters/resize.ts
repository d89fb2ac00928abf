/** ResizeBilinear and ResizeNearestNeighbor to constant sizes. */
import type { NetworkBuilder } from "../networkBuilder.ts";
import type { Operation } from "../operation.ts";
import type { Activation } from "../values.ts";
import type { Converter } from "./converter.ts";
import { image } from "./windows.ts";

export const resize: Record<string, Converter> = {
  ResizeBilinear: (operation, graph) => resized(operation, graph, "linear"),
  ResizeNearestNeighbor: (operation, graph) => resized(operation, graph, "nearest"),
};

function resized(operation: Operation, graph: NetworkBuilder, mode: "linear" | "nearest"): Activation {
  const x = image(operation, graph);
  const target = operation.integers(1);
  if (target.length !== 2 || !target.every((size) => size >= 1))
    throw operation.invalid(`its size is [${target}]`);
  const size: [number, number] = [target[0]!, target[1]!];
  const scales: [number, number] = [size[0] / x.memory[1]!, size[1] / x.memory[2]!];
  const isCorners = operation.flag("align_corners");
  const isCentered = operation.flag("half_pixel_centers");
  const isWhole = scales.every((factor) => Number.isInteger(factor));
  if (mode === "nearest" && isWhole && !isCorners) {
    return graph.add(operation, { op: "upsampleNearest", inputs: [x.name], factors: scales });
  }
  const centers = mode === "nearest" ? "tf_half_pixel_for_nn" : "half_pixel";
  return graph.add(operation, {
    op: "resize",
    inputs: [x.name],
    mode,
    size,
    scales,
    coordinates: isCorners ? "align_corners" : isCentered ? centers : "asymmetric",
    rounding: isCorners ? "round_prefer_ceil" : "floor",
  });
}
