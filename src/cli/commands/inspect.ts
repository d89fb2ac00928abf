/** `genie-wasm inspect`: what a model is made of, and what would be quantized to what. */
import type { Command } from "commander";
import { assignBits } from "../../ir/bits.ts";
import { summarize } from "../../ir/summary.ts";
import { formatInspection } from "../../report/inspection.ts";
import { chooseSource } from "../../synthesis/imageSource.ts";
import { readModel } from "../input.ts";
import {
  addBitFlags,
  addModelFlags,
  addReportFlags,
  type BitFlags,
  type ModelFlags,
  type ReportFlags,
} from "../options.ts";
import { createReporter } from "../reporter.ts";
import { printResult } from "../result.ts";

type InspectFlags = ReportFlags & ModelFlags & BitFlags;

const HELP = `
Example:
  genie-wasm inspect resnet.onnx -w 4 -a 4

An operator that is not supported is named with its node: it and all behind it would stay float. Where that leaves no
layer to be quantized, the exit code is 2.

--json: {"command", "model", "inputs", "outputs", "nodes", "layers", "batchNorms", "statistics",
  "parameters", "multiplyAdds", "floatBytes", "quantizedBytes", "tail", "blocks",
  "images": "genie" or "prior", what calibration images will be made by}
`;

export function addInspect(program: Command): void {
  const command = program
    .command("inspect")
    .summary("show layers, BatchNorms, reconstruction blocks, bits and sizes")
    .description("Shows what a model is made of, and what would be quantized to what.")
    .argument("<model>", "ONNX file");
  addBitFlags(command);
  addModelFlags(command);
  addReportFlags(command).addHelpText("after", HELP).action(runInspect);
}

async function runInspect(model: string, flags: InspectFlags): Promise<void> {
  const reporter = createReporter(flags);
  const graph = await readModel(model, flags, reporter.note);
  const isQuantized = graph.nodes.some((node) => node.op === "fakeQuantize");
  const summary = summarize(graph, isQuantized ? undefined : assignBits(graph, flags));
  const { mode, note } = chooseSource(graph, "auto");
  printResult(
    { command: "inspect", model, ...summary, images: mode },
    () => formatInspection(summary, isQuantized ? undefined : note),
    flags,
  );
}
