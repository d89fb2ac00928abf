/** Inputs at a candidate range: what the searches for an input's range try on a network. */
import type { InputRange } from "../ir/graph.ts";
import type { InputLayout } from "./inputLayout.ts";
import { type Convention, fieldConventions, pixelConventions } from "./prior/pixels.ts";
import { drawPrior, isPicture } from "./prior/prior.ts";

/** Values of the inputs that are tried: a second's work on a network for 224×224. */
const VALUES = 2 ** 19;
const MAX_COUNT = 32;
const SEED = 0x2545f491;

/** Few large images hold as many positions as many small ones. */
export function countFor({ height, width, channels }: InputLayout): number {
  return Math.min(MAX_COUNT, Math.max(2, Math.floor(VALUES / (height * width * channels))));
}

/** `count` inputs of the prior, of mean 0 and deviation 1. Needs `initializeKernels`. */
export function probingInputs(layout: InputLayout, count: number): Float32Array {
  return drawPrior(layout, count, SEED);
}

/** std·x + mean, by the last axes. */
export function atRange(inputs: Float32Array, { mean, std }: InputRange): Float32Array<ArrayBuffer> {
  const units = mean.length;
  return Float32Array.from(inputs, (value, i) => value * std[i % units]! + mean[i % units]!);
}

/** The ranges that inputs of this layout usually have. */
export function conventionsFor(layout: InputLayout): Convention[] {
  return isPicture(layout) ? pixelConventions(layout.channels) : fieldConventions(layout.channels);
}
