/** What pixels of photographs are like, and the ways of the field to make inputs of them. */
import type { InputRange } from "../../ir/graph.ts";

/** Mean of ImageNet's pixels, 0…1, in R, G and B; and the deviation of all pixels from it. */
const COLOUR_MEAN = [0.485, 0.456, 0.406];
const GREY_MEAN = 0.449;
const PIXEL_STD = 0.27;

const RARE = 0.25;

/** A custom of the field: input = gain·pixel + offset, pixels of 0…1. */
export interface Convention {
  /** As it is said to people. */
  name: string;
  range: InputRange;
  /** What it has to be better by than the more usual ones. */
  rarity: number;
}

function pixelMean(channels: number): number[] {
  return channels === 3 ? COLOUR_MEAN : Array<number>(channels).fill(GREY_MEAN);
}

/** Black and white in units of `PIXEL_STD` from the mean. */
export function pixelRange(channels: number): { low: number[]; high: number[] } {
  const mean = pixelMean(channels);
  return {
    low: mean.map((value) => -value / PIXEL_STD),
    high: mean.map((value) => (1 - value) / PIXEL_STD),
  };
}

/** The range of inputs gain·pixel + offset. */
function rangeOf(channels: number, gain: readonly number[], offset: readonly number[]): InputRange {
  const at = (values: readonly number[], c: number): number => values[c % values.length]!;
  return {
    mean: pixelMean(channels).map((mean, c) => at(gain, c) * mean + at(offset, c)),
    std: Array.from({ length: channels }, (_, c) => at(gain, c) * PIXEL_STD),
  };
}

/** The customs for pictures of so many channels, by how usual they are. */
export function pixelConventions(channels: number): Convention[] {
  const of = (name: string, gain: number[], offset: number[], rarity = 0): Convention => ({
    name,
    range: rangeOf(channels, gain, offset),
    rarity,
  });
  const customs = [of("pixels of 0…1", [1], [0]), of("pixels of −1…1", [2], [-1])];
  if (channels === 3) {
    const std = [0.229, 0.224, 0.225];
    customs.push(
      of(
        "pixels normalized by ImageNet's mean and deviation",
        std.map((value) => 1 / value),
        std.map((value, c) => -COLOUR_MEAN[c]! / value),
      ),
    );
  } else {
    customs.push(of("normalized pixels", [1 / PIXEL_STD], [-GREY_MEAN / PIXEL_STD]));
  }
  customs.push(
    of("pixels of 0…255", [255], [0]),
    of("pixels of 0…255 less their mean", [255], [-255 * GREY_MEAN], RARE),
  );
  return customs;
}

/** The ranges tried for what is no picture: spectra, signals and features have any unit. */
export function fieldConventions(units: number): Convention[] {
  const of = (mean: number, std: number, rarity = 0): Convention => ({
    name: mean === 0 ? `mean 0, deviation ${std}` : "values of 0…1",
    range: { mean: Array<number>(units).fill(mean), std: Array<number>(units).fill(std) },
    rarity,
  });
  return [of(0, 1), of(0.5, 0.25, RARE), ...[0.1, 0.3, 3, 10, 30].map((std) => of(0, std, RARE))];
}
