/** Between plain data and tensors: constants, batches of images, and running a graph over all of them. */
import { type Tensor, tensor, tidy } from "@tensorflow/tfjs-core";
import { GenieError } from "../errors.ts";
import { countOf, type Images, slice, type Values } from "../images.ts";
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

/** Images `start` … `end − 1` of the graph's inputs, as tensors by their names. */
export function slabs(graph: Graph, values: Values, start: number, end: number): Map<string, Tensor> {
  return new Map(graph.inputs.map(({ name }) => [name, slab(valuesNamed(values, name), start, end)]));
}

/** @throws GenieError `invalid-data` where it is not among them. */
export function valuesNamed(values: Values, name: string): Images {
  const value = values.get(name);
  if (!value) throw new GenieError("invalid-data", `nothing was given for the input "${name}"`);
  return value;
}

/**
 * Runs the graph with its own constants on all images, `batchSize` at a time.
 *
 * @param values Its inputs.
 * @param visit Gets the outputs for the images from `start` on, which are gone afterwards.
 */
export async function visitAll(
  graph: Graph,
  values: Values,
  visit: (outputs: ReadonlyMap<string, Tensor>, start: number) => void,
  { batchSize = 64, afterBatch = async () => {}, ...options }: SlabOptions = {},
): Promise<void> {
  const count = countOf(values);
  const constants = uploadConstants(graph);
  try {
    for (let start = 0; start < count; start += batchSize) {
      const end = Math.min(start + batchSize, count);
      tidy(() => {
        const feeds = new Map([...constants, ...slabs(graph, values, start, end)]);
        visit(run(graph, feeds, options), start);
      });
      await afterBatch(end);
    }
  } finally {
    disposeAll(constants.values());
  }
}

/** The graph's outputs for all images (see `visitAll`). */
export async function runAll(
  graph: Graph,
  values: Values,
  options: SlabOptions = {},
): Promise<Map<string, Images>> {
  const count = countOf(values);
  const out = new Map<string, Images>();
  const collect = (outputs: ReadonlyMap<string, Tensor>, start: number): void => {
    for (const [name, output] of outputs) {
      const [size, ...rest] = output.shape;
      const stride = output.size / size!;
      const all = out.get(name) ?? { shape: [count, ...rest], data: new Float32Array(count * stride) };
      all.data.set(view(output), start * stride);
      out.set(name, all);
    }
  };
  await visitAll(graph, values, collect, options);
  return out;
}
