/** The range of a network's input: what its pixels, columns or features have for mean and standard deviation. */
import { GenieError } from "../errors.ts";
import type { Graph, InputRange } from "../ir/graph.ts";
import { type InputLayout, inputLayout } from "./inputLayout.ts";

/** Inputs normalized per channel, as the published method assumes. */
export function normalizedRange(channels: number): InputRange {
  return { mean: Array(channels).fill(0), std: Array(channels).fill(1) };
}

/** What the file says of input `index`, or mean 0 and deviation 1. */
export function knownRange(graph: Graph, index: number): InputRange {
  return graph.inputs[index]!.range ?? normalizedRange(inputLayout(graph, index).channels);
}

/** Means this near to 0 and standard deviations within this factor of 1 belong to normalized inputs. */
const MEAN_TOLERANCE = 0.5;
const STD_TOLERANCE = 1.5;

/**
 * The published range in place of one that is normalized within the estimate's error and the data's own whims
 * (augmentation, say, or normalization by another data set's statistics): such networks get the published method
 * bit for bit.
 */
export function snapToNormalized(range: InputRange, { channels }: InputLayout): InputRange {
  const isNormalized =
    range.mean.length === channels &&
    range.mean.every((mean) => Math.abs(mean) <= MEAN_TOLERANCE) &&
    range.std.every((std) => std >= 1 / STD_TOLERANCE && std <= STD_TOLERANCE);
  return isNormalized ? normalizedRange(channels) : range;
}

/** Whether the range changes nothing. */
export function isPublishedRange({ mean, std }: InputRange): boolean {
  return mean.every((value) => value === 0) && std.every((value) => value === 1);
}

/**
 * @param name What the caller knows the range by.
 * @throws GenieError `invalid-option` unless there is a finite mean and a positive std a channel, or a column.
 */
export function requireRange(
  { mean, std }: InputRange,
  { width, channels }: InputLayout,
  name = "inputRange",
): void {
  if (mean.length !== std.length || (mean.length !== channels && mean.length !== width * channels)) {
    throw new GenieError(
      "invalid-option",
      `${name} has ${mean.length} means and ${std.length} standard deviations; ` +
        `it takes ${channels} of each (channels) or ${width * channels} (columns and channels)`,
    );
  }
  if (!mean.every(Number.isFinite) || !std.every((value) => Number.isFinite(value) && value > 0)) {
    throw new GenieError("invalid-option", `${name} takes finite means and positive standard deviations`);
  }
}
