/** A block rounded by feedback: in closed form, layer after layer. */
import { tensor } from "@tensorflow/tfjs-core";
import type { Collective } from "../engine/collective.ts";
import { download } from "../engine/feeds.ts";
import { countOf, type Images, type Values } from "../images.ts";
import type { Constant, LayerNode } from "../ir/graph.ts";
import { toFakeQuantized } from "../ir/quantized.ts";
import { isLayer } from "../ir/rewrite.ts";
import { matMul } from "../kernels/matmul.ts";
import { type Grids, roundWithFeedback } from "./feedback.ts";
import type { ReconstructionSettings } from "./options.ts";
import { samplePatches, type WindowedLayer, windowSize } from "./patches.ts";
import type { BlockQuantization, Slabs } from "./quantizedBlock.ts";
import { harden, type Unit } from "./unit.ts";

/** Windows of a layer's input that its sums are taken over, of all images together. */
const WINDOWS = 2 ** 14;

/** Fewer where windows are large: 64 MiB. */
const WINDOW_VALUES = 2 ** 24;

/** Inputs of a filter at most: what there is to do grows with their third power, and is seconds here. */
export const LARGEST_WINDOW = 2304;

/** Filters of as many bits or more have little to gain. */
const AMPLE_BITS = 8;

/** With as many iterations blocks of several layers learn to make up for each other, which feedback does not see. */
const AMPLE_ITERATIONS = 100;

/**
 * Whether rounding the unit by feedback is worth its time behind so many iterations: where several dense layers learned
 * together it won nothing (docs/extensions.md) and costs as much as a tenth of 300 iterations.
 */
export function feedbackPays({ graph }: Unit, iterations: number): boolean {
  const layers = graph.nodes.filter(isLayer);
  return (
    iterations < AMPLE_ITERATIONS || layers.length === 1 || layers.some(({ op }) => op === "depthwiseConv2d")
  );
}

/**
 * The unit with its step sizes as they are and every filter of fewer than 8 bits rounded by feedback
 * (`roundWithFeedback`), each layer behind those before it; grouped and transposed convolutions and the largest filters as the
 * unit has them. Undefined where that leaves nothing.
 *
 * @param x The block's inputs in the float model, and quantizedX in the model quantized so far: this member's images.
 * @param correctBias Whether biases make up for what the inputs have more or less on average: then only what is beside
 *   their means concerns the filters.
 */
export async function roundBlock(
  unit: Unit,
  x: Values,
  quantizedX: Values,
  { correctBias }: Pick<ReconstructionSettings, "correctBias">,
  slabs: Slabs,
  collective: Collective,
): Promise<BlockQuantization | undefined> {
  const { graph } = unit;
  const layers = graph.nodes.filter(isLayer).filter((layer) => takesFeedback(unit, layer));
  if (layers.length === 0) return undefined;
  const { weights, activations, biases } = harden(unit);
  const rounded = new Map(weights);
  for (const layer of layers) {
    const name = layer.inputs[1]!;
    const quantizer = unit.weights.get(name)!;
    const quantized = toFakeQuantized({ graph, weights: rounded, activations: new Map(activations) });
    const reader = quantized.nodes.find((node) => node.name === layer.name) as WindowedLayer;
    const filter = graph.constants.get(name)!;
    const wanted = Math.ceil(windowsOf(windowSize(layer, filter.shape)) / (countOf(x) * collective.size));
    const float = await samplePatches(graph, layer, x, wanted, slabs);
    const own = await samplePatches(quantized, reader, quantizedX, wanted, slabs);
    if (correctBias) {
      for (const windows of [float, own]) await center(windows, collective);
    }
    const round = layer.op === "depthwiseConv2d" ? roundDepthwise : roundMixing;
    rounded.set(name, quantizer.encode(await round(filter, own, float, quantizer.grids(), collective)));
  }
  return { weights: [...rounded], activations, biases };
}

/** Windows at most that are sampled of a layer, over all members. */
export function windowsOf(size: number): number {
  return Math.min(WINDOWS, Math.ceil(WINDOW_VALUES / size));
}

function takesFeedback({ graph, weights }: Unit, layer: LayerNode): layer is WindowedLayer {
  const name = layer.inputs[1]!;
  const quantizer = weights.get(name);
  if (!quantizer || quantizer.bits >= AMPLE_BITS) return false;
  if (layer.op === "depthwiseConv2d") return true;
  // What a transposed convolution gives is no product of its filter with a window.
  if (layer.op === "convTranspose2d" || (layer.op === "conv2d" && layer.groups > 1)) return false;
  return windowSize(layer, graph.constants.get(name)!.shape) <= LARGEST_WINDOW;
}

/** Takes from every column of the windows [windows, K] its mean over all members. */
async function center({ shape, data }: Images, { sum }: Collective): Promise<void> {
  const columns = shape[1]!;
  const totals = new Float64Array(columns);
  for (let i = 0; i < data.length; i++) totals[i % columns]! += data[i]!;
  const means = Float32Array.from(totals);
  const count = Float32Array.of(shape[0]!);
  await sum([means, count]);
  for (let i = 0; i < data.length; i++) data[i]! -= means[i % columns]! / count[0]!;
}

/** A filter that mixes channels, [..., O]: its outputs share the sums. */
async function roundMixing(
  { data }: Constant,
  own: Images,
  float: Images,
  grids: Grids,
  collective: Collective,
): Promise<Float32Array> {
  const ofOwnBy = (other: Images): Float32Array =>
    download(() => {
      const [a, b] = [own, other].map(({ shape, data }) => tensor(data, shape as [number, number]));
      return matMul(a!, b!, { transposeA: true });
    });
  const sums = [ofOwnBy(own), ofOwnBy(float)];
  await collective.sum(sums);
  return roundWithFeedback(data, sums[0]!, sums[1]!, grids);
}

/** A depthwise filter [kH, kW, C, M]: each channel has sums of its own. */
async function roundDepthwise(
  { shape, data }: Constant,
  own: Images,
  float: Images,
  grids: Grids,
  collective: Collective,
): Promise<Float32Array> {
  const [height, width, channels, multiplier] = shape as [number, number, number, number];
  const taps = height * width;
  const sums = [own, float].map((other) => tapSums(own.data, other.data, taps, channels));
  await collective.sum(sums);
  const codes = new Float32Array(data.length);
  for (let channel = 0; channel < channels; channel++) {
    const place = (i: number): number =>
      (Math.floor(i / multiplier) * channels + channel) * multiplier + (i % multiplier);
    const weights = Float32Array.from({ length: taps * multiplier }, (_, i) => data[place(i)]!);
    const [ownSums, crossSums] = sums.map((sum) =>
      Float32Array.from({ length: taps * taps }, (_, i) => sum[i * channels + channel]!),
    );
    const at = (values: Float32Array): Float32Array =>
      values.subarray(channel * multiplier, (channel + 1) * multiplier);
    const grid = { step: at(grids.step), least: at(grids.least), most: at(grids.most) };
    roundWithFeedback(weights, ownSums!, crossSums!, grid).forEach((code, i) => {
      codes[place(i)] = code;
    });
  }
  return codes;
}

/** Σ a[n, i, c]·b[n, j, c] over n: [taps, taps, C], for a and b [N, taps, C]. */
function tapSums(a: Float32Array, b: Float32Array, taps: number, channels: number): Float32Array {
  const sums = new Float32Array(taps * taps * channels);
  for (let from = 0; from < a.length; from += taps * channels) {
    for (let pair = 0; pair < taps * taps; pair++) {
      const [i, j] = [from + Math.floor(pair / taps) * channels, from + (pair % taps) * channels];
      for (let c = 0; c < channels; c++) sums[pair * channels + c]! += a[i + c]! * b[j + c]!;
    }
  }
  return sums;
}
