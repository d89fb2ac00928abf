/** What a layer's filter sees: windows of its input, at some of the positions where it is applied. */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { Images, Values } from "../images.ts";
import type { ConvTranspose2dNode, Graph, LayerNode } from "../ir/graph.ts";
import { removeDead } from "../ir/rewrite.ts";
import { view } from "../kernels/heap.ts";
import type { Slabs } from "./quantizedBlock.ts";
import { sampleValues } from "./samples.ts";

/** A layer that multiplies its filter with windows of its input. */
export type WindowedLayer = Exclude<LayerNode, ConvTranspose2dNode>;

/** Values in a window of a layer whose filter has this shape: kH·kW·C, or I. */
export function windowSize(layer: LayerNode, filter: readonly number[]): number {
  return layer.op === "dense" ? filter[0]! : filter[0]! * filter[1]! * filter[2]!;
}

/**
 * Windows of the layer's input, evenly over all images and positions.
 *
 * @param graph With the layer, to be run on `inputs`.
 * @param wanted Windows of each image at most.
 * @returns [windows, kH·kW·C], in the order of the filter's first axes (dense: [rows, I]); zeros where the filter
 *   reaches into the padding.
 */
export async function samplePatches(
  graph: Graph,
  layer: WindowedLayer,
  inputs: Values,
  wanted: number,
  slabs: Slabs,
): Promise<Images> {
  const part = removeDead({ ...graph, outputs: [layer.inputs[0]!] });
  const filter = graph.constants.get(layer.inputs[1]!)!.shape;
  const size = windowSize(layer, filter);
  const pick = (x: Tensor): Images => {
    const data = patchesOf(x, layer, filter, wanted);
    return { shape: [data.length / size, size], data };
  };
  return (await sampleValues(part, part.outputs, inputs, pick, slabs)).get(layer.inputs[0]!)!;
}

function patchesOf(x: Tensor, layer: WindowedLayer, filter: readonly number[], wanted: number): Float32Array {
  const values = view(x);
  if (layer.op === "dense") return rowsOf(x, wanted);
  const [count, height, width, channels] = x.shape as [number, number, number, number];
  const [kernelHeight, kernelWidth] = filter as [number, number];
  const { strides, dilations, padding } = layer;
  const positions = (size: number, padded: number, kernel: number, axis: 0 | 1): number =>
    Math.floor((size + padded - (kernel - 1) * dilations[axis] - 1) / strides[axis]) + 1;
  const rows = positions(height, padding.top + padding.bottom, kernelHeight, 0);
  const columns = positions(width, padding.left + padding.right, kernelWidth, 1);
  const windows = Math.min(wanted, rows * columns);
  const out = new Float32Array(count * windows * windowSize(layer, filter));
  let at = 0;
  for (let image = 0; image < count; image++) {
    for (let i = 0; i < windows; i++) {
      const position = Math.floor(((i + 0.5) * rows * columns) / windows);
      const top = Math.floor(position / columns) * strides[0] - padding.top;
      const left = (position % columns) * strides[1] - padding.left;
      for (let tap = 0; tap < kernelHeight * kernelWidth; tap++, at += channels) {
        const row = top + Math.floor(tap / kernelWidth) * dilations[0];
        const column = left + (tap % kernelWidth) * dilations[1];
        if (row < 0 || row >= height || column < 0 || column >= width) continue;
        const from = ((image * height + row) * width + column) * channels;
        out.set(values.subarray(from, from + channels), at);
      }
    }
  }
  return out;
}

/** Up to `wanted` rows [.., I] of each image of x [N, …, I], evenly. */
function rowsOf(x: Tensor, wanted: number): Float32Array {
  const [count, features] = [x.shape[0]!, x.shape.at(-1)!];
  const values = view(x);
  const available = x.size / count / features;
  const rows = Math.min(wanted, available);
  const out = new Float32Array(count * rows * features);
  for (let i = 0; i < count * rows; i++) {
    const row = Math.floor((((i % rows) + 0.5) * available) / rows) + Math.floor(i / rows) * available;
    out.set(values.subarray(row * features, (row + 1) * features), i * features);
  }
  return out;
}
