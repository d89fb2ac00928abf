/** The ranges of a network's inputs, found in the network: no data is looked at. */
import { firstStatistics } from "../ir/batchNorms.ts";
import type { Graph, InputRange } from "../ir/graph.ts";
import { affineRange } from "./affineRange.ts";
import { inputLayout } from "./inputLayout.ts";
import { normalizedRange, snapToNormalized } from "./inputRange.ts";
import { nonlinearRange } from "./nonlinearRange.ts";
import { rangeByAnswers } from "./rangeByAnswers.ts";

/** What was found, and what a person should know of it. */
export interface FoundRanges {
  /** One for each of the network's inputs. */
  ranges: InputRange[];
  note?: string;
}

/** Beyond this error the BatchNorms have not seen inputs like the prior's: the range is a guess. */
const TOLERATED_ERROR = 0.7;

/**
 * By what there is, the surest first: BatchNorms that the input reaches without a nonlinearity (`affineRange`); what the
 * file says; BatchNorms behind a nonlinearity (`nonlinearRange`); what the network answers (`rangeByAnswers`).
 *
 * Needs `initializeKernels`.
 */
export function estimateInputRanges(graph: Graph): FoundRanges {
  const stated = graph.inputs.map(({ range }) => range);
  if (graph.inputs.length === 1) {
    const layout = inputLayout(graph);
    const affine = affineRange(graph, layout);
    if (affine) return { ranges: [affine] };
    const fitted = stated[0] ? undefined : nonlinearRange(graph, layout);
    if (!fitted && !stated[0] && firstStatistics(graph).length > 0) {
      return {
        ranges: [normalizedRange(layout.channels)],
        note: `the BatchNorms do not tell the input's range, mean 0 and deviation 1 are taken; ${OVERRIDE}`,
      };
    }
    if (fitted) {
      const { name, error } = fitted;
      const range = snapToNormalized(fitted.range, layout);
      const found = name ?? `${describe(range)}`;
      const doubt =
        error > TOLERATED_ERROR ? "; it explains little of what the BatchNorms have seen, so look at it" : "";
      return {
        ranges: [range],
        note: `the input's range was found through the first nonlinearity: ${found}${doubt}; ${OVERRIDE}`,
      };
    }
  }
  if (stated.every((range) => range !== undefined)) {
    return {
      ranges: stated,
      note: `the input's range is as the file states it: ${stated.map(describe).join("; ")}`,
    };
  }
  const { name, ranges } = rangeByAnswers(graph);
  return {
    ranges,
    note: `no statistics tell the input's range: ${name} suits the network's layers best; ${OVERRIDE}`,
  };
}

const OVERRIDE = "--input-range (inputRange) gives another";

/** "mean 0.5, deviation 0.25", by channel where channels differ. */
function describe({ mean, std }: InputRange): string {
  const list = (values: readonly number[]): string =>
    values.every((value) => value === values[0]) ? short(values[0]!) : values.map(short).join(", ");
  return mean.length > MOST_SHOWN ? "by column" : `mean ${list(mean)}, deviation ${list(std)}`;
}

const MOST_SHOWN = 4;

function short(value: number): string {
  return String(Number(value.toPrecision(3)));
}
