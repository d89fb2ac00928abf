/** Some positions of a value, which stand for all of them: rows [samples, C]. */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { Images } from "../images.ts";
import { view } from "../kernels/heap.ts";

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
export function concatenate(pieces: readonly Images[]): Images {
  const data = new Float32Array(pieces.reduce((length, piece) => length + piece.data.length, 0));
  let at = 0;
  for (const piece of pieces) {
    data.set(piece.data, at);
    at += piece.data.length;
  }
  const columns = pieces[0]?.shape[1] ?? 1;
  return { shape: [data.length / columns, columns], data };
}
