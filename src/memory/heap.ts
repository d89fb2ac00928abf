/** From the bytes of tensors to the bytes of a WebAssembly heap. */
import type { Graph } from "../ir/graph.ts";
import { isLayer } from "../ir/rewrite.ts";
import { inferShapes } from "../ir/shapes.ts";
import { FLOAT_BYTES } from "./footprint.ts";

/** What tfjs's module starts with, and what of it its data, its stack and its tables take at most. */
const INITIAL_BYTES = 16 * 2 ** 20;
const BASE_BYTES = 2 ** 20;
/** Holes between tensors of different sizes, as a share of them. */
const FRAGMENTATION = 0.05;
/** The heap grows by a fifth of itself where less would do, and by no more than 96 MiB. */
const OVERGROWTH = 0.2;
const MAX_OVERGROWTH_BYTES = 96 * 2 ** 20;
/** The most that tfjs's module takes. */
export const MAX_HEAP_BYTES = 2 ** 32 - 2 ** 16;
/** Winograd's filters have 36 values for 9, beside the 9 they come from. */
const FILTER_SCRATCH = 5;
/** 36 values for a tile of 4 rows and columns: so many rows for one. */
const WINOGRAD_ROWS = 9;
/** Row tables and strips of pixels. */
const STRIP_BYTES = 2 * 2 ** 20;

/** Size of the heap when `tensors` bytes of tensors were alive at once, with scratch memory for `graph`. */
export function heapFor(tensors: number, graph: Graph): number {
  const needed = BASE_BYTES + tensors * (1 + FRAGMENTATION) + scratchBytes(graph);
  const grown = needed + Math.min(OVERGROWTH * needed, MAX_OVERGROWTH_BYTES);
  return Math.ceil(Math.max(INITIAL_BYTES, grown));
}

/** The largest filter as kernels transform or pack it, and a strip of the widest rows. */
function scratchBytes(graph: Graph): number {
  const filters = graph.nodes.filter(isLayer).map((layer) => {
    const { data, shape } = graph.constants.get(layer.inputs[1]!)!;
    const isWinograd = layer.op === "conv2d" && shape[0] === 3 && shape[1] === 3;
    return isWinograd ? FILTER_SCRATCH * data.length : data.length;
  });
  const largest = Math.max(0, ...filters);
  const rowBytes = [...inferShapes(graph)].map(([name, shape]) =>
    graph.constants.has(name) ? 0 : FLOAT_BYTES * shape.slice(2).reduce((product, size) => product * size, 1),
  );
  // Its input and its output.
  const widest = 2 * Math.max(0, ...(graph.nodes.length > 0 ? rowBytes : []));
  return FLOAT_BYTES * largest + STRIP_BYTES + WINOGRAD_ROWS * widest;
}
