/** The statistics of images beside those of a model's BatchNorms, as people read them. */
import type { StatisticsDistance } from "../synthesis/distance.ts";
import { formatTable } from "./format.ts";

/**
 * A row a BatchNorm: its distances for noise and for the images that were synthesized, in percent of the BatchNorm's
 * standard deviation, and a row of their averages.
 */
export function formatDistances(
  before: readonly StatisticsDistance[],
  after: readonly StatisticsDistance[],
): string {
  const percent = (share: number): string => (100 * share).toFixed(1);
  const row = (
    layer: string,
    from: Omit<StatisticsDistance, "layer">,
    to: Omit<StatisticsDistance, "layer">,
  ) => [layer, percent(from.mean), percent(to.mean), percent(from.std), percent(to.std)];
  return formatTable(
    ["BatchNorm", "mean off by %, noise", "images", "std off by %, noise", "images"],
    [
      ...after.map((distance, index) => row(distance.layer, before[index]!, distance)),
      row("average", averageDistance(before), averageDistance(after)),
    ],
  );
}

/** Means over all BatchNorms. */
export function averageDistance(distances: readonly StatisticsDistance[]): { mean: number; std: number } {
  const average = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  return {
    mean: average(distances.map(({ mean }) => mean)),
    std: average(distances.map(({ std }) => std)),
  };
}
