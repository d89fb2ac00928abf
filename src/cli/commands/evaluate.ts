/** `genie-wasm evaluate`: accuracy on labelled images. */
import type { Command } from "commander";
import { GenieError } from "../../errors.ts";
import type { Graph } from "../../ir/graph.ts";
import { formatShare } from "../../report/format.ts";
import { evaluate } from "../../session/calls.ts";
import { isFolder, readFolderLabels, readImages, readLabels, readModel } from "../input.ts";
import { interruptible } from "../interrupt.ts";
import {
  addImageFlags,
  addModelFlags,
  addReportFlags,
  addWorkerFlags,
  count,
  IMAGE_HELP,
  type ImageFlags,
  imageOptions,
  type ModelFlags,
  type ReportFlags,
  sessionOptions,
  type WorkerFlags,
} from "../options.ts";
import { createProfileOutput } from "../profile.ts";
import { createReporter } from "../reporter.ts";
import { printResult } from "../result.ts";

interface EvaluateFlags extends ReportFlags, ModelFlags, ImageFlags, WorkerFlags {
  images: string;
  labels?: string;
  limit?: number;
}

const HELP = `
${IMAGE_HELP}
Labels are a .npy array [N] of integers, for a folder a CSV file of lines "name,label", or, without
--labels, the number that each name begins with: 0123_name.jpg is 123.

Example:
  genie-wasm evaluate resnet.w4a4.onnx --images test.npy --labels labels.npy \\
    --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225
  genie-wasm evaluate mobilenet/ --images validation/ --scale 127.5 --mean 1

--json: {"command", "model", "top1", "top5", "count", "seconds"}, top1 and top5 between 0 and 1.
`;

export function addEvaluate(program: Command): void {
  const command = program
    .command("evaluate")
    .summary("measure top-1 and top-5 accuracy of a float or quantized model")
    .description("Measures top-1 and top-5 accuracy of a float or quantized model.")
    .argument("<model>", "ONNX, .h5, .keras or .tflite file, or TFJS model.json or its folder")
    .requiredOption("--images <path>", "images [N, H, W, C] as .npy, or a folder of JPEG and PNG files")
    .option("--labels <path>", "class indices from 0: .npy [N], or for a folder a CSV file")
    .option("--limit <n>", "the first n images only", count);
  addImageFlags(command);
  addModelFlags(command);
  addWorkerFlags(command);
  addReportFlags(command).addHelpText("after", HELP).action(runEvaluate);
}

async function runEvaluate(model: string, flags: EvaluateFlags): Promise<void> {
  const reporter = createReporter(flags);
  const profile = createProfileOutput(flags);
  const graph = await readModel(model, flags, reporter.note);
  const images = await readImages(flags.images, graph, {
    ...imageOptions(flags),
    limit: flags.limit,
    note: reporter.note,
  });
  const labels = await labelsOf(flags, graph);
  const started = performance.now();
  try {
    const { top1, top5, count } = await interruptible((signal) =>
      evaluate(graph, images, labels, {
        ...sessionOptions(flags),
        onProfile: profile.onProfile,
        onProgress: reporter.onProgress,
        onNote: reporter.note,
        signal,
      }),
    );
    reporter.close();
    const seconds = (performance.now() - started) / 1000;
    printResult(
      { command: "evaluate", model, top1, top5, count, seconds },
      () => `top-1 ${formatShare(top1)}, top-5 ${formatShare(top5)} of ${count} images`,
      flags,
    );
    profile.print();
  } finally {
    reporter.close();
  }
}

async function labelsOf({ images, labels, limit }: EvaluateFlags, graph: Graph): Promise<ArrayLike<number>> {
  if (await isFolder(images)) return readFolderLabels(images, labels, graph, limit);
  if (labels === undefined)
    throw new GenieError("invalid-option", "--labels is needed for images in a .npy file");
  return readLabels(labels, graph, limit);
}
