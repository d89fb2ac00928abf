/** --input-range: what the model's input has for mean and standard deviation. */
import { type Command, InvalidArgumentError } from "commander";
import type { Graph, InputRange } from "../ir/graph.ts";
import { inputLayout } from "../synthesis/inputLayout.ts";
import { requireRange } from "../synthesis/inputRange.ts";
import { numbers } from "./options.ts";

export interface InputRangeFlags {
  inputRange?: "auto" | InputRange;
}

export function addInputRangeFlag(command: Command): Command {
  return command.option(
    "--input-range <mean/std>",
    "of the model's input, one or one a channel: 127.5/64 (default: auto, found in the model)",
    parse,
  );
}

/** For a command's help. */
export const INPUT_RANGE_HELP = `Synthetic images have the range that the model expects its input in: mean and standard deviation
are found in its BatchNorms, or tried on it. Where that goes wrong (see the contact sheet of \`synthesize\`), say it:
--input-range 127.5/64 for pixels of 0…255, 123.7,116.3,103.5/58.4,57.1,57.4 by channel, or by column
and channel; --input-range normalized is mean 0, standard deviation 1, as the published method has it.`;

/** Reads "auto", "normalized", "127.5/64" or "1,2,3/4,5,6". */
function parse(text: string): "auto" | InputRange {
  if (text === "auto") return "auto";
  if (text === "normalized") return { mean: [0], std: [1] };
  const parts = text.split("/");
  if (parts.length !== 2) {
    throw new InvalidArgumentError("It must be auto, normalized, or mean/std, as 127.5/64 or 1,2,3/4,5,6.");
  }
  return { mean: numbers(parts[0]!), std: numbers(parts[1]!) };
}

/**
 * The range for the model's input: one number stands for all channels, or for all that the other list tells apart.
 *
 * @throws GenieError `invalid-option` where counts or values do not fit.
 */
export function rangeFor(graph: Graph, { inputRange }: InputRangeFlags): "auto" | InputRange {
  if (inputRange === undefined || inputRange === "auto") return "auto";
  const layout = inputLayout(graph);
  const { mean, std } = inputRange;
  const longest = Math.max(mean.length, std.length);
  const count = longest === 1 ? layout.channels : longest;
  const spread = (values: number[]) => (values.length === 1 ? Array<number>(count).fill(values[0]!) : values);
  const range = { mean: spread(mean), std: spread(std) };
  requireRange(range, layout, "--input-range");
  return range;
}
