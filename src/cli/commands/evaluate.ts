/** `genie-wasm evaluate`: accuracy on labelled images. */
import type { Command } from "commander";
import { evaluate } from "../../calls.ts";
import { GenieError } from "../../errors.ts";
import type { PixelOptions } from "../../formats/pixels.ts";
import type { Graph } from "../../ir/graph.ts";
import { formatShare } from "../../report/format.ts";
import { isFolder, readFolderLabels, readImages, readLabels, readModel } from "../input.ts";
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
  labels?: string;
  resize?: number;
  limit?: number;
}

const HELP = `
Images are a .npy array [N, H, W, C] of pixels, or a folder of JPEG and PNG files; float32 files
are taken as they are unless you give --scale, --mean or --std. Pictures of another size than the
model's are scaled (bilinear, antialiased) until they just cover it, or to --resize, and the centre
is cropped. Labels are a .npy array [N] of integers, a CSV file of lines "name,label", or, without
--labels, the number that each picture's name begins with: 0123_name.jpg is 123.

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
    .argument("<model>", "ONNX, .h5 or .keras file, or TFJS Layers model.json or its folder")
    .requiredOption("--images <path>", "images [N, H, W, C] as .npy, or a folder of JPEG and PNG files")
    .option("--labels <path>", "class indices from 0: .npy [N], or for a folder a CSV file")
    .option("--resize <n>", "scale the shorter side of a folder's pictures to n before cropping", count)
    .option("--limit <n>", "the first n images only", count);
  addPixelFlags(command);
  addModelFlags(command);
  addWorkerFlags(command);
  addReportFlags(command).addHelpText("after", HELP).action(runEvaluate);
}

async function runEvaluate(model: string, flags: EvaluateFlags): Promise<void> {
  const graph = await readModel(model, flags.inputShape);
  const images = await readImages(flags.images, graph, {
    ...pixelOptions(flags),
    resize: flags.resize,
    limit: flags.limit,
  });
  const labels = await labelsOf(flags, graph);
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

async function labelsOf({ images, labels, limit }: EvaluateFlags, graph: Graph): Promise<ArrayLike<number>> {
  if (await isFolder(images)) return readFolderLabels(images, labels, graph, limit);
  if (labels === undefined)
    throw new GenieError("invalid-option", "--labels is needed for images in a .npy file");
  return readLabels(labels, graph, limit);
}
