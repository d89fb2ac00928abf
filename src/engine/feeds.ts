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

/** How images are run through a graph. */
export interface SlabOptions extends RunOptions {
  /** Images at once. */
  batchSize?: number;
  /** Awaited after each batch: where long work reports and lets others run. */
  afterBatch?: (done: number) => Promise<void>;
}

/**
 * Runs the graph on all images, `batchSize` at a time.
 *
 * @param constants A tensor for each constant of the graph.
 * @param visit Gets the first output for the images from `start` on, which is gone afterwards.
 */
export async function visitAll(
  graph: Graph,
  constants: ReadonlyMap<string, Tensor>,
  images: Images,
  visit: (output: Tensor, start: number) => void,
  { batchSize = 64, afterBatch = async () => {}, ...options }: SlabOptions = {},
): Promise<void> {
  const count = images.shape[0]!;
  for (let start = 0; start < count; start += batchSize) {
    const end = Math.min(start + batchSize, count);
    tidy(() => {
      const feeds = new Map([...constants, [graph.inputs[0]!.name, slab(images, start, end)]]);
      visit(run(graph, feeds, options).get(graph.outputs[0]!)!, start);
    });
    await afterBatch(end);
  }
}

/** The graph's first output for all images (see `visitAll`). */
export async function runAll(
  graph: Graph,
  constants: ReadonlyMap<string, Tensor>,
  images: Images,
  options: SlabOptions = {},
): Promise<Images> {
  const count = images.shape[0]!;
  let out: Images | undefined;
  const collect = (output: Tensor, start: number): void => {
    const [size, ...rest] = output.shape;
    const stride = output.size / size!;
    out ??= { shape: [count, ...rest], data: new Float32Array(count * stride) };
    out.data.set(view(output), start * stride);
  };
  await visitAll(graph, constants, images, collect, options);
  return out ?? { shape: [0], data: new Float32Array(0) };
}
