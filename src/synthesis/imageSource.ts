/** Where a network's images come from: its statistics, as far as there are any, or a prior. */

import { GenieError } from "../errors.ts";
import { batchNormStatistics, requireBatchNorms } from "../ir/batchNorms.ts";
import type { Graph } from "../ir/graph.ts";
import { isLayer } from "../ir/rewrite.ts";
import { inputLayout } from "./inputLayout.ts";
import type { SettledMode, SynthesisMode } from "./options.ts";
import { isPicture } from "./prior/prior.ts";

/** How images will be made. */
export interface ImageSource {
  mode: SettledMode;
  /** What a person should know of it, where it is not the published method. */
  note?: string;
}

/** With fewer BatchNorms a layer than this, what they say leaves the images open. */
const LEAST_SHARE = 1 / 4;

/**
 * Settles "auto": GENIE where the network has one input and BatchNorms with statistics throughout, else the prior.
 *
 * @throws GenieError `no-batch-norm` where the mode needs statistics that are not there, `invalid-model` where it is
 *   asked of several inputs at once.
 */
export function chooseSource(graph: Graph, mode: SynthesisMode): ImageSource {
  if (mode === "prior") return { mode };
  if (mode !== "auto") {
    requireBatchNorms(graph);
    if (graph.inputs.length > 1) {
      throw new GenieError(
        "invalid-model",
        `mode "${mode}" distills images for one input, and "${graph.name}" has ${graph.inputs.length}: take mode "prior"`,
      );
    }
    return { mode };
  }
  const norms = batchNormStatistics(graph).length;
  const layers = graph.nodes.filter(isLayer).length;
  const reason =
    norms === 0
      ? "the model carries no BatchNorm statistics"
      : graph.inputs.length > 1
        ? `the model has ${graph.inputs.length} inputs`
        : norms < LEAST_SHARE * layers
          ? `only ${norms} BatchNorm(s) to ${layers} layers carry statistics`
          : undefined;
  if (!reason) return { mode: "genie" };
  return {
    mode: "prior",
    note:
      `${reason}: images come from a prior (${describePrior(graph)}), which 8 bits and W4A8 lose little by; ` +
      "with activations of fewer bits real images (--data) or a model with its BatchNorms may do better",
  };
}

function describePrior(graph: Graph): string {
  const kinds = graph.inputs.map((_, index) =>
    isPicture(inputLayout(graph, index))
      ? "dead leaves, pictures of shapes that hide each other"
      : "fields of 1/f noise",
  );
  return [...new Set(kinds)].join("; ");
}
