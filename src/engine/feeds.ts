/** Between plain data and tensors: constants, batches of images, and running a graph over all of them. */
import { type Tensor, tensor, tidy } from "@tensorflow/tfjs-core";
import { type Images, slice } from "../images.ts";
import type { Graph } from "../ir/graph.ts";
import { emptyTensor, view } from "../kernels/heap.ts";
import { type RunOptions, run } from "./run.ts";

/** Uploads every constant of the graph; the caller disposes them (`disposeAll`). */
export function uploadConstants(graph: Graph): Map<string, Tensor> {
  return new Map(
    [...graph.constants].map(([name, { shape, data }]) => [name, tensor(data, shape as [number], "float32")]),
  );
}

export function disposeAll(tensors: Iterable<Tensor>): void {
  for (const item of tensors) item.dispose();
}

/**
 * The data of the tensor that `compute` gives, all tensors released. (tfjs's own `tidy` must not return data: it
 * would look for tensors in every element.)
 */
export function download(compute: () => Tensor): Float32Array<ArrayBuffer> {
  const result = tidy(compute);
  const data = view(result).slice();
  result.dispose();
  return data;
}

/** Images `indices` of a set as one tensor [indices.length, ...]. */
export function gather(images: Images, indices: ArrayLike<number>): Tensor {
  const stride = images.data.length / images.shape[0]!;
  const batch = emptyTensor([indices.length, ...images.shape.slice(1)]);
  const out = view(batch);
  for (let i = 0; i < indices.length; i++) {
    out.set(images.data.subarray(indices[i]! * stride, (indices[i]! + 1) * stride), i * stride);
  }
  return batch;
}

/** Images `start` … `end − 1` of a set as one tensor. */
export function slab(images: Images, start: number, end: number): Tensor {
  const { shape, data } = slice(images, start, end);
  const batch = emptyTensor(shape);
  view(batch).set(data);
  return batch;
}

/**
 * The graph's first output for all images, computed `batchSize` at a time.
 *
 * @param constants A tensor for each constant of the graph.
 * @param afterBatch Awaited after each batch: where long work reports and lets others run.
 */
export async function runAll(
  graph: Graph,
  constants: ReadonlyMap<string, Tensor>,
  images: Images,
  {
    batchSize = 64,
    afterBatch = async () => {},
    ...options
  }: RunOptions & { batchSize?: number; afterBatch?: (done: number) => Promise<void> } = {},
): Promise<Images> {
  const count = images.shape[0]!;
  let out: Images | undefined;
  for (let start = 0; start < count; start += batchSize) {
    const end = Math.min(start + batchSize, count);
    tidy(() => {
      const feeds = new Map([...constants, [graph.inputs[0]!.name, slab(images, start, end)]]);
      const result = run(graph, feeds, options).get(graph.outputs[0]!)!;
      const stride = result.size / (end - start);
      out ??= { shape: [count, ...result.shape.slice(1)], data: new Float32Array(count * stride) };
      out.data.set(view(result), start * stride);
    });
    await afterBatch(end);
  }
  return out ?? { shape: [0], data: new Float32Array(0) };
}
