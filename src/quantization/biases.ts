/** Bias correction: what quantization moves on average is taken back (Nagel et al., ICCV 2019, section 4.2). */
import { ones, type Tensor, tensor, tensor1d } from "@tensorflow/tfjs-core";
import type { Collective } from "../engine/collective.ts";
import { disposeAll, download } from "../engine/feeds.ts";
import { countOf, type Images, type Values } from "../images.ts";
import type { Activation, Constant, Graph, LayerNode } from "../ir/graph.ts";
import { toFakeQuantized } from "../ir/quantized.ts";
import { isLayer, removeDead } from "../ir/rewrite.ts";
import { matMul } from "../kernels/matmul.ts";
import { scaleShift } from "../kernels/normalize.ts";
import type { BlockQuantization, Slabs } from "./quantizedBlock.ts";
import { sampleRows, sampleValues } from "./samples.ts";

/** Positions (of all images together) that a mean is taken over: its error is under a hundredth of the spread. */
const SAMPLES = 2 ** 14;

/** Fewer where channels are many: 32 MiB. */
const SAMPLE_VALUES = 2 ** 23;

/** Secant steps; where the activation is piecewise linear, half of them leave nothing to do. */
const STEPS = 8;

/** A channel that is mostly cut off moves its mean by less than its bias; how much less is believed. */
const LEAST_SLOPE = 1 / 16;

/**
 * New biases b′ for the layers of a block, one after the other, each with those before it corrected already:
 *
 * mean act(ŷ − b + b′) = mean act(y)  in every channel,
 *
 * y = w∗x + b being what the layer gives in the float model and ŷ what it gives quantized, both before the
 * activation, the means over all images and positions. The mean behind the activation is what the next layer sees;
 * Nagel et al. match it before the activation, which overshoots where rounding noise is large (a ReLU lets half
 * of it through). A bias has no bits to spare: integer runtimes keep it in 32.
 *
 * @param graph The block in the float model.
 * @param x Its inputs there, and quantizedX in the model quantized so far: this member's images.
 * @returns By the name of the bias.
 */
export async function correctBiases(
  graph: Graph,
  { weights, activations }: Omit<BlockQuantization, "biases">,
  x: Values,
  quantizedX: Values,
  slabs: Slabs,
  collective: Collective,
): Promise<[string, Constant][]> {
  const quantized = toFakeQuantized({ graph, weights: new Map(weights), activations: new Map(activations) });
  const corrected: [string, Constant][] = [];
  for (const layer of graph.nodes.filter(isLayer)) {
    const name = layer.inputs[2]!;
    const y = await sampleBefore(graph, layer, x, slabs, collective);
    const quantizedY = await sampleBefore(quantized, layer, quantizedX, slabs, collective);
    const shift = await matchMeans(quantizedY, y, layer.activation, collective);
    // Not the float model's: what was sampled had it rounded to the layer's steps, if it is.
    const { shape, data } = quantized.constants.get(name)!;
    const bias: Constant = { shape, data: data.map((value, channel) => value + shift[channel]!) };
    quantized.constants.set(name, bias);
    corrected.push([name, bias]);
  }
  return corrected;
}

/** Positions at most that are sampled of a layer with `channels` outputs, over all members. */
export function samplesOf(channels: number): number {
  return Math.min(SAMPLES, Math.ceil(SAMPLE_VALUES / channels));
}

/** Some rows of what the layer gives before its activation, this member's share of them: [samples, C]. */
async function sampleBefore(
  graph: Graph,
  layer: LayerNode,
  inputs: Values,
  slabs: Slabs,
  { size }: Collective,
): Promise<Images> {
  const nodes = graph.nodes.map((node) => {
    if (node.name !== layer.name) return node;
    const { activation: _, ...bare } = node as LayerNode;
    return bare;
  });
  const part = removeDead({ ...graph, nodes, outputs: [layer.output] });
  const pick = (output: Tensor): Images => {
    const ofAll = (samplesOf(output.shape.at(-1)!) * output.shape[0]!) / (countOf(inputs) * size);
    return sampleRows(output, Math.ceil(ofAll));
  };
  return (await sampleValues(part, part.outputs, inputs, pick, slabs)).get(layer.output)!;
}

/**
 * d [C] with mean act(from + d) = mean act(to) over rows and members, by secants from d = 0.
 *
 * @param from [samples, C]
 * @param to [samples, C]
 */
async function matchMeans(
  from: Images,
  to: Images,
  activation: Activation | undefined,
  collective: Collective,
): Promise<Float32Array> {
  const [source, goal] = [from, to].map(({ data, shape }) => tensor(data, shape as [number, number]));
  const meanOf = async (values: Tensor, shift: Float32Array): Promise<Float32Array> => {
    const mean = channelMeans(values, shift, activation).map((value) => value / collective.size);
    await collective.sum([mean]);
    return mean;
  };
  try {
    const shift = new Float32Array(to.shape[1]!);
    const wanted = await meanOf(goal!, shift);
    const missingAt = async (): Promise<Float32Array> => {
      const mean = await meanOf(source!, shift);
      return mean.map((value, channel) => wanted[channel]! - value);
    };
    const slope = shift.map(() => 1);
    let missing = await missingAt();
    for (let step = 0; step < STEPS; step++) {
      const move = missing.map((value, channel) => value / slope[channel]!);
      for (const [channel, distance] of move.entries()) shift[channel]! += distance;
      const before = missing;
      missing = await missingAt();
      for (const [channel, distance] of move.entries()) {
        if (distance === 0) continue;
        const found = (before[channel]! - missing[channel]!) / distance;
        slope[channel] = Math.min(1, Math.max(LEAST_SLOPE, found));
      }
    }
    return shift;
  } finally {
    disposeAll([source!, goal!]);
  }
}

/** Mean over rows of act(x + shift), [C], for x [rows, C]. */
function channelMeans(x: Tensor, shift: Float32Array, activation: Activation | undefined): Float32Array {
  const rows = x.shape[0]!;
  const sums = download(() => matMul(ones([1, rows]), scaleShift(x, null, tensor1d(shift), activation)));
  return sums.map((sum) => sum / rows);
}
