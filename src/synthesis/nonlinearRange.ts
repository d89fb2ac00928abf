/** The range of a network's input from BatchNorms behind a nonlinearity: the one that gives what they have seen. */
import { tensor, tidy } from "@tensorflow/tfjs-core";
import { disposeAll, uploadConstants } from "../engine/feeds.ts";
import { run } from "../engine/run.ts";
import { firstStatistics } from "../ir/batchNorms.ts";
import type { Graph, InputRange } from "../ir/graph.ts";
import { removeDead } from "../ir/rewrite.ts";
import { atRange, conventionsFor, countFor, probingInputs } from "./candidates.ts";
import { type InputLayout, isVector } from "./inputLayout.ts";
import { momentsOf } from "./layerMoments.ts";

/** What inputs of a range do to the first BatchNorms, against what they have seen. */
export interface FittedRange {
  range: InputRange;
  /** What the range is called, where it is a custom of the field. */
  name?: string;
  /** Root of the mean of ((m − μ)/σ)² and log(s/σ)² over all channels. */
  error: number;
}

/** The finest steps of the search, in the input's deviation and as a logarithm of it. */
const FINEST_STEP = 0.02;
/** A custom of the field whose error is no more than this many times the least is what the network was trained with. */
const AS_GOOD = 1.15;
/** The most that one channel may say. */
const MOST = 4;

/**
 * Runs inputs of the prior through the network up to its first BatchNorms, in the ranges that are usual, and from the
 * best of them on in ever finer steps of mean and deviation. No form of nonlinearity is assumed; that inputs are like
 * the prior's is.
 *
 * Needs `initializeKernels`.
 *
 * @returns undefined where the network has no statistics, or the input's range makes no difference to them.
 */
export function nonlinearRange(graph: Graph, layout: InputLayout): FittedRange | undefined {
  const targets = firstStatistics(graph);
  if (targets.length === 0) return undefined;
  const start = removeDead({ ...graph, outputs: [...new Set(targets.map(({ input }) => input))] });
  const constants = uploadConstants(start);
  const count = countFor(layout) * (isVector(layout) ? 8 : 1);
  const inputs = probingInputs(layout, count);
  const errorOf = (range: InputRange): number => {
    let [sum, channels] = [0, 0];
    tidy(() => {
      const x = tensor(atRange(inputs, range), [count, ...layout.shape] as [number]);
      const values = run(start, new Map([...constants, [start.inputs[0]!.name, x]]));
      for (const { input, mean, std } of targets) {
        const found = momentsOf(values.get(input)!);
        mean.forEach((target, c) => {
          const offset = (found.mean[c]! - target) / std[c]!;
          const spread = Math.log(Math.max(found.std[c]!, 1e-6) / std[c]!);
          const error = offset * offset + spread * spread;
          sum += Math.min(error, MOST);
        });
        channels += mean.length;
      }
    });
    return Math.sqrt(sum / (2 * channels));
  };
  try {
    const tried = [...conventionsFor(layout), ...unnamed(layout)]
      .map((candidate) => ({ ...candidate, error: errorOf(candidate.range) }))
      .sort((a, b) => a.error - b.error);
    const best = tried[0]!;
    if (best.error === tried.at(-1)!.error) return undefined;
    const usual: FittedRange = tried.find(({ name }) => name !== undefined)!;
    const fitted = refine(best, errorOf);
    return usual.error <= AS_GOOD * fitted.error ? usual : fitted;
  } finally {
    disposeAll(constants.values());
  }
}

/** Where the search may start from as well: no custom, but as far apart as customs are. */
function unnamed({ channels }: InputLayout): { name?: string; range: InputRange }[] {
  const all = (value: number): number[] => Array<number>(channels).fill(value);
  return [0.1, 0.3, 1, 3, 10, 30, 100].flatMap((std) =>
    [0, 2].map((offset) => ({ range: { mean: all(offset * std), std: all(std) } })),
  );
}

/** Coordinate search: mean and deviation of all channels together, by steps that are halved where none helps. */
function refine(start: FittedRange, errorOf: (range: InputRange) => number): FittedRange {
  let best = { range: start.range, error: start.error };
  for (let step = 0.5; step >= FINEST_STEP; ) {
    const { mean, std } = best.range;
    const next = [
      { mean: mean.map((value, c) => value + step * std[c]!), std },
      { mean: mean.map((value, c) => value - step * std[c]!), std },
      { mean, std: std.map((value) => value * (1 + step)) },
      { mean, std: std.map((value) => value / (1 + step)) },
    ]
      .map((range) => ({ range, error: errorOf(range) }))
      .reduce((a, b) => (b.error < a.error ? b : a));
    if (next.error < best.error) best = next;
    else step /= 2;
  }
  return best;
}
