/** The range of inputs of a network without statistics: the custom of the field that the network answers best. */

import type { Images } from "../images.ts";
import { foldBatchNorm } from "../ir/foldBatchNorm.ts";
import type { Graph, InputRange } from "../ir/graph.ts";
import { atRange, conventionsFor, countFor, probingInputs } from "./candidates.ts";
import { inputLayout } from "./inputLayout.ts";
import { knownRange } from "./inputRange.ts";
import { createLayerProbe, type LayerProbe, type Moments } from "./layerMoments.ts";
import { isPicture } from "./prior/prior.ts";

/**
 * What channels of trained networks have before their activation: mean 0 ± MEAN_SPREAD and a deviation of e^LOG_STD,
 * give or take a factor of e^LOG_SPREAD. It is what BatchNorm left there (offset and scale), folded or not, and what
 * initializers and weight decay keep up elsewhere.
 */
const MEAN_SPREAD = 1;
const LOG_STD = -0.5;
const LOG_SPREAD = 1;
/** What a layer counts, of what the one before it does: the nearer to the input, the more of it there is left. */
const FADING = 0.7;
/** The most that one channel may say: dead ones are dead in the right range too. */
const MOST = 16;
const LEAST_STD = 1e-6;

/** A range, and what it is called. */
export interface NamedRange {
  name: string;
  ranges: InputRange[];
}

/**
 * Tries the customs of the field on the network: inputs of the prior in each, and how far the channels of all layers
 * are from what trained ones are like. Too small a range leaves nothing but biases, too large a one nothing of them;
 * with a wrong mean channels are always on or never.
 *
 * Inputs that are no pictures, beside one that is, have their stated range or mean 0 and deviation 1.
 *
 * Needs `initializeKernels`.
 */
export function rangeByAnswers(graph: Graph): NamedRange {
  const layouts = graph.inputs.map((_, index) => inputLayout(graph, index));
  const count = Math.min(...layouts.map(countFor));
  const inputs = layouts.map((layout) => probingInputs(layout, count));
  const leading = Math.max(0, layouts.findIndex(isPicture));
  const probe = createLayerProbe({ ...foldBatchNorm(graph), outputs: [] });
  try {
    const tried = conventionsFor(layouts[leading]!).map(({ name, range, rarity }) => {
      const ranges = layouts.map((layout, index) => {
        const isAlike = isPicture(layout) && layout.channels === range.mean.length;
        if (index === leading || (isAlike && !graph.inputs[index]!.range)) return range;
        return knownRange(graph, index);
      });
      return { name, ranges, surprise: rarity + surpriseAt(probe, graph, inputs, ranges, count) };
    });
    return tried.reduce((best, next) => (next.surprise < best.surprise ? next : best));
  } finally {
    probe.dispose();
  }
}

function surpriseAt(
  probe: LayerProbe,
  graph: Graph,
  inputs: readonly Float32Array[],
  ranges: readonly InputRange[],
  count: number,
): number {
  const feeds = graph.inputs.map(({ name, shape }, index) => {
    const data = atRange(inputs[index]!, ranges[index]!);
    return [name, { shape: [count, ...shape.slice(1)], data }] as [string, Images];
  });
  const layers = probe.moments(new Map(feeds));
  let [sum, weights, weight] = [0, 0, 1];
  for (const layer of layers) {
    sum += weight * surprise(layer);
    weights += weight;
    weight *= FADING;
  }
  return sum / Math.max(1, weights);
}

/** Minus the logarithm of the density above, averaged over the layer's channels. */
function surprise({ mean, std }: Moments): number {
  let sum = 0;
  mean.forEach((value, c) => {
    const spread = (Math.log(Math.max(std[c]!, LEAST_STD)) - LOG_STD) / LOG_SPREAD;
    const offset = value / MEAN_SPREAD;
    const total = (spread * spread + offset * offset) / 2;
    sum += Math.min(total, MOST);
  });
  return sum / mean.length;
}
