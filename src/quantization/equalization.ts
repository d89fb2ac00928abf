/** Which channels of low-bit activations are lifted before quantization, and how far. */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { Collective } from "../engine/collective.ts";
import { disposeAll, runAll, uploadConstants } from "../engine/feeds.ts";
import type { Images } from "../images.ts";
import type { BitAssignment } from "../ir/bits.ts";
import { equalize, type RectifiedLink, rectifiedLinks } from "../ir/equalize.ts";
import type { Graph } from "../ir/graph.ts";
import { view } from "../kernels/heap.ts";
import type { Slabs } from "./quantizedBlock.ts";

/** Activations of as many bits or more have steps to spare. */
const AMPLE_BITS = 8;

/** A channel that the images hardly excite is not lifted at will. */
const LARGEST_RATIO = 64;

/**
 * The folded network with channels of its low-bit activations lifted towards the largest one (`equalize`): they share one
 * step size, of which a small channel has few steps.
 *
 * g[c] = √clip(max / max[c], 1, 64), the maxima over all images and positions (of a ReLU6: 6 for the first), and without
 * the root where a depthwise layer reads a ReLU6: its range is the network's own and not the images'.
 *
 * Only where a depthwise layer is on either side: its channels differ in range most, and do not mix. A depthwise
 * filter has a step size for each channel and takes g back for nothing. A filter that mixes channels has one for all of
 * them, and bears it if it has as many bits as the activation. (MobileNetV1 0.75, W4A4, 30 iterations a block: 69.0 %
 * without, 71.5 in front of depthwise layers, 74.5 with both; g without the root 71.5. Between the 3×3 layers of
 * ResNet-20 it cost 1.2 points at W4A4, and in front of the 1×1 layers of a DS-CNN 9 points at W2A4.)
 *
 * @param images This member's.
 */
export async function equalizeActivations(
  folded: Graph,
  bits: BitAssignment,
  images: Images,
  { slabSize, afterSlab }: Slabs,
  collective: Collective,
): Promise<Graph> {
  const isUneven = ({ from, to }: RectifiedLink): boolean => {
    const width = bits.activations.get(to.inputs[0]!)!;
    if (width >= AMPLE_BITS) return false;
    if (to.op === "depthwiseConv2d") return true;
    return from.op === "depthwiseConv2d" && bits.weights.get(to.name)! >= width;
  };
  const links = rectifiedLinks(folded).filter(isUneven);
  if (links.length === 0) return folded;
  const maxima = new Map<string, Float32Array>(links.map(({ from }) => [from.output, new Float32Array(0)]));
  const observe = (name: string) => (value: Tensor) => {
    maxima.set(name, channelMaxima(value, maxima.get(name)!));
    return value;
  };
  const taps = new Map([...maxima.keys()].map((name) => [name, observe(name)]));
  const constants = uploadConstants(folded);
  try {
    await runAll(folded, constants, images, { batchSize: slabSize, afterBatch: afterSlab, taps });
  } finally {
    disposeAll(constants.values());
  }
  const gains = new Map<RectifiedLink, Float32Array>();
  for (const link of links) {
    const largest = await overMembers(maxima.get(link.from.output)!, collective);
    const top = Math.min(
      link.ceiling,
      largest.reduce((max, value) => Math.max(max, value)),
    );
    const takesAll = link.to.op === "depthwiseConv2d" && Number.isFinite(link.ceiling);
    gains.set(
      link,
      largest.map((value) => {
        const ratio = Math.min(LARGEST_RATIO, value > 0 ? Math.max(1, top / value) : 1);
        return takesAll ? ratio : Math.sqrt(ratio);
      }),
    );
  }
  return equalize(folded, gains);
}

/** The largest value in every channel of x [..., C], and of `before` [C]. */
function channelMaxima(x: Tensor, before: Float32Array): Float32Array {
  const channels = x.shape.at(-1)!;
  const maxima = new Float32Array(channels);
  maxima.set(before);
  const data = view(x);
  for (let start = 0; start < data.length; start += channels) {
    for (let c = 0; c < channels; c++) {
      if (data[start + c]! > maxima[c]!) maxima[c] = data[start + c]!;
    }
  }
  return maxima;
}

/** The element-wise maximum over all members: sums of arrays in which each has a row of its own. */
async function overMembers(values: Float32Array, { rank, size, sum }: Collective): Promise<Float32Array> {
  const rows = new Float32Array(size * values.length);
  rows.set(values, rank * values.length);
  await sum([rows]);
  return values.map((_, i) =>
    Array.from({ length: size }, (_, member) => rows[member * values.length + i]!).reduce((a, b) =>
      Math.max(a, b),
    ),
  );
}
