/** Some positions of a value, which stand for all of them: rows [samples, C]. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { visitAll } from "../engine/feeds.ts";
import type { Images, Values } from "../images.ts";
import type { Graph } from "../ir/graph.ts";
import { view } from "../kernels/heap.ts";
import type { Slabs } from "./quantizedBlock.ts";

/**
 * Samples of values on the way through `graph`, by their names: each is seen as soon as it exists, and need not outlive its
 * last reader.
 *
 * @param inputs This member's inputs of the graph.
 * @param pick The sample [rows, C] of one value for one slab of images.
 */
export async function sampleValues(
  graph: Graph,
  names: readonly string[],
  inputs: Values,
  pick: (value: Tensor) => Images,
  { slabSize, afterSlab }: Slabs,
): Promise<Map<string, Images>> {
  const pieces = new Map(names.map((name): [string, Images[]] => [name, []]));
  const observe = (name: string) => (value: Tensor) => {
    pieces.get(name)!.push(pick(value));
    return value;
  };
  const taps = new Map(names.map((name) => [name, observe(name)]));
  await visitAll(graph, inputs, () => {}, { batchSize: slabSize, afterBatch: afterSlab, taps });
  return new Map(names.map((name) => [name, concatenate(pieces.get(name)!)]));
}

/** `wanted` rows of x [..., C], or all where it has fewer, spread evenly. */
export function sampleRows(x: Tensor, wanted: number): Images {
  const channels = x.shape.at(-1)!;
  const data = view(x);
  const available = data.length / channels;
  const count = Math.min(available, wanted);
  const rows = new Float32Array(count * channels);
  for (let i = 0; i < count; i++) {
    const row = Math.floor((i * available) / count);
    rows.set(data.subarray(row * channels, (row + 1) * channels), i * channels);
  }
  return { shape: [count, channels], data: rows };
}

/** The rows of all pieces, one piece after the other. */
function concatenate(pieces: readonly Images[]): Images {
  const data = new Float32Array(pieces.reduce((length, piece) => length + piece.data.length, 0));
  let at = 0;
  for (const piece of pieces) {
    data.set(piece.data, at);
    at += piece.data.length;
  }
  const columns = pieces[0]?.shape[1] ?? 1;
  return { shape: [data.length / columns, columns], data };
}
