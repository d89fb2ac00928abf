/** `genie-wasm evaluate`: accuracy on labelled images. */
import type { Command } from "commander";
import { evaluate } from "../../calls.ts";
import type { PixelOptions } from "../../formats/pixels.ts";
import { formatShare } from "../../report/format.ts";
import { readImages, readLabels, readModel } from "../input.ts";
import { interruptible } from "../interrupt.ts";
import {
  addModelFlags,
  addPixelFlags,
  addReportFlags,
  addWorkerFlags,
  count,
  type ModelFlags,
  pixelOptions,
  type ReportFlags,
  type WorkerFlags,
} from "../options.ts";
import { createReporter } from "../reporter.ts";
import { printResult } from "../result.ts";

interface EvaluateFlags extends ReportFlags, ModelFlags, PixelOptions, WorkerFlags {
  images: string;
  labels: string;
  limit?: number;
}

const HELP = `
Images are a .npy array [N, H, W, C] of pixels; float32 files are taken as they are unless you
give --scale, --mean or --std. Labels are a .npy array [N] of integers.

Example:
  genie-wasm evaluate resnet.w4a4.onnx --images test.npy --labels labels.npy \\
    --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225

--json: {"command", "model", "top1", "top5", "count", "seconds"}, top1 and top5 between 0 and 1.
`;

export function addEvaluate(program: Command): void {
  const command = program
    .command("evaluate")
    .summary("measure top-1 and top-5 accuracy of a float or quantized model")
    .description("Measures top-1 and top-5 accuracy of a float or quantized ONNX model.")
    .argument("<model>", "ONNX file")
    .requiredOption("--images <file.npy>", "images [N, H, W, C]")
    .requiredOption("--labels <file.npy>", "class indices [N], from 0")
    .option("--limit <n>", "the first n images only", count);
  addPixelFlags(command);
  addModelFlags(command);
  addWorkerFlags(command);
  addReportFlags(command).addHelpText("after", HELP).action(runEvaluate);
}

async function runEvaluate(model: string, flags: EvaluateFlags): Promise<void> {
  const graph = await readModel(model, flags.inputShape);
  const images = await readImages(flags.images, graph, { ...pixelOptions(flags), limit: flags.limit });
  const labels = await readLabels(flags.labels, graph, flags.limit);
  const reporter = createReporter(flags);
  const started = performance.now();
  try {
    const { top1, top5, count } = await interruptible((signal) =>
      evaluate(graph, images, labels, { workers: flags.workers, onProgress: reporter.onProgress, signal }),
    );
    reporter.close();
    const seconds = (performance.now() - started) / 1000;
    printResult(
      { command: "evaluate", model, top1, top5, count, seconds },
      () => `top-1 ${formatShare(top1)}, top-5 ${formatShare(top5)} of ${count} images`,
      flags,
    );
  } finally {
    reporter.close();
  }
}
