/** Which channels of low-bit activations are lifted before quantization, and how far. */
import { type Tensor, tensor1d } from "@tensorflow/tfjs-core";
import type { Collective } from "../engine/collective.ts";
import { countOf, type Images, type Values } from "../images.ts";
import type { BitAssignment } from "../ir/bits.ts";
import type { Block } from "../ir/blocks.ts";
import { equalize, lift, type ScalableLink, scalableLinks } from "../ir/equalize.ts";
import { type Graph, quantRange } from "../ir/graph.ts";
import { searchActivationScale } from "../kernels/scalesearch.ts";
import type { Slabs } from "./quantizedBlock.ts";
import { sampleRows, sampleValues } from "./samples.ts";

/** Rectified activations of as many bits or more have steps to spare; linear ones, whose tails are long, have not. */
const AMPLE_BITS = 8;

/** A channel that the images hardly excite is not lifted at will. */
const LARGEST_RATIO = 64;

/** Values of each channel that its range is searched on, of all images together. */
const SAMPLES = 2 ** 12;

/** A network before it is quantized, twice. */
export interface Equalized {
  /** With its channels lifted, to be quantized: what passes a rectifier's ceiling is cut off, as quantization would. */
  lifted: Graph;
  /** The same values under the same names without the cut: what `lifted` shall come near, and the model's own function. */
  float: Graph;
  /** Names of the nodes that `float` has more, by those of the nodes that they follow. */
  lifts: ReadonlyMap<string, string>;
}

/** A network whose channels stay as they are. */
export function unequalized(folded: Graph): Equalized {
  return { lifted: folded, float: folded, lifts: new Map() };
}

/** The block as it is in `float`. */
export function floatBlock(block: Block, { lifts }: Equalized): Block {
  const nodes = block.nodes.flatMap((name) => {
    const own = lifts.get(name);
    return own === undefined ? [name] : [name, own];
  });
  return { ...block, nodes };
}

/**
 * The folded network with channels of its low-bit activations lifted towards the largest one (`equalize`): they share one
 * step size, of which a small channel has few steps.
 *
 * g[c] = √clip(max r / r[c], 1, 64), r[c] being the range that channel c would be quantized with if it had a step size
 * of its own (`searchActivationScale`: what lies beyond it is rare enough to be cut off), and without the root where
 * a depthwise layer reads a ReLU6: its range is the network's own and not the images'.
 *
 * Only where a depthwise layer is on either side: its channels differ in range most, and do not mix. A depthwise
 * filter has a step size for each channel and takes g back for nothing. A filter that mixes channels has one for all of
 * them, and bears it if it has as many bits as the activation. (MobileNetV1 0.75, W4A4, 30 iterations a block: 69.0 %
 * without, 71.5 in front of depthwise layers, 74.5 with both; g without the root 71.5. Between the 3×3 layers of
 * ResNet-20 it cost 1.2 points at W4A4, and in front of the 1×1 layers of a DS-CNN 9 points at W2A4.) What a depthwise layer
 * gives without an activation is lifted at 8 bits too: its channels differ a hundredfold in networks without BatchNorm.
 *
 * @param images This member's inputs of the network.
 */
export async function equalizeActivations(
  folded: Graph,
  bits: BitAssignment,
  images: Values,
  slabs: Slabs,
  collective: Collective,
): Promise<Equalized> {
  const isUneven = ({ from, to }: ScalableLink): boolean => {
    const width = bits.activations.get(to.inputs[0]!)!;
    if (width >= AMPLE_BITS && from.activation) return false;
    if (to.op === "depthwiseConv2d") return true;
    return from.op === "depthwiseConv2d" && bits.weights.get(to.name)! >= width;
  };
  const links = scalableLinks(folded).filter(isUneven);
  if (links.length === 0) return unequalized(folded);
  const outputs = links.map(({ from }) => from.output);
  const perImage = Math.ceil(SAMPLES / (countOf(images) * collective.size));
  const pick = (value: Tensor): Images => sampleRows(value, perImage * value.shape[0]!);
  const samples = await sampleValues(folded, outputs, images, pick, slabs);
  const gains = new Map<ScalableLink, Float32Array>();
  for (const link of links) {
    const width = bits.activations.get(link.to.inputs[0]!)!;
    const ranges = await rangesOf(samples.get(link.from.output)!, width, collective);
    await slabs.afterSlab();
    const top = ranges.reduce((max, range) => Math.max(max, range));
    const takesAll = link.to.op === "depthwiseConv2d" && Number.isFinite(link.ceiling);
    gains.set(
      link,
      ranges.map((range) => {
        const ratio = range > 0 ? Math.min(LARGEST_RATIO, top / range) : 1;
        return takesAll ? ratio : Math.sqrt(ratio);
      }),
    );
  }
  const { graph: float, lifts } = lift(folded, gains);
  return { lifted: equalize(folded, gains), float, lifts };
}

/** The range of each channel as the published search has it for all members' rows; 0 where nothing passes. */
async function rangesOf(own: Images, bits: number, collective: Collective): Promise<Float32Array> {
  const { data, shape } = await allRows(own, collective);
  const [count, channels] = shape as [number, number];
  const { qmax } = quantRange({ bits, signed: false });
  const ranges = Float32Array.from({ length: channels }, (_, channel) => {
    // Members share the channels out.
    if (channel % collective.size !== collective.rank) return 0;
    const column = Float32Array.from({ length: count }, (_, row) => data[row * channels + channel]!);
    if (column.every((value) => value === 0)) return 0;
    const values = tensor1d(column);
    const { step } = searchActivationScale(values, bits);
    values.dispose();
    return step * qmax;
  });
  await collective.sum([ranges]);
  return ranges;
}

/** The rows of all members, in the order of their ranks: a sum of arrays in which each has rows of its own. */
async function allRows({ shape, data }: Images, { rank, size, sum }: Collective): Promise<Images> {
  const [own, columns] = shape as [number, number];
  const counts = new Float32Array(size);
  counts[rank] = own;
  await sum([counts]);
  const before = counts.subarray(0, rank).reduce((total, count) => total + count, 0);
  const rows = counts.reduce((total, count) => total + count, 0);
  const all = new Float32Array(rows * columns);
  all.set(data, before * columns);
  await sum([all]);
  return { shape: [rows, columns], data: all };
}
