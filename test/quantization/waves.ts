/** Images to calibrate on that are nobody's: no two alike, no two pixels either. */
import type { Images } from "../../src/images.ts";
import type { Graph } from "../../src/ir/graph.ts";

/** `count` inputs of the network: a fast wave of the given height on a slow one of 1. */
export function waves(graph: Graph, count: number, height = 1): Images {
  const shape = [count, ...graph.inputs[0]!.shape.slice(1)];
  const size = shape.reduce((product, length) => product * length, 1);
  return {
    shape,
    data: Float32Array.from({ length: size }, (_, i) => height * Math.sin(0.7 * i) + Math.cos(0.013 * i)),
  };
}
