/** `genie-wasm synthesize`: calibration images from a model's BatchNorm statistics, or from a prior. */
import type { Command } from "commander";
import { GenieError } from "../../errors.ts";
import { type Images, slice } from "../../images.ts";
import { batchNormStatistics } from "../../ir/batchNorms.ts";
import type { Graph } from "../../ir/graph.ts";
import { given } from "../../options.ts";
import { formatDistances } from "../../report/distances.ts";
import { formatSeconds } from "../../report/format.ts";
import { synthesize } from "../../session/calls.ts";
import { presetFor, synthesisBudget } from "../../session/presets.ts";
import { noiseImages, type StatisticsDistance, statisticsDistance } from "../../synthesis/distance.ts";
import { claimOutput } from "../claim.ts";
import { readModel } from "../input.ts";
import { addInputRangeFlag, INPUT_RANGE_HELP, type InputRangeFlags, rangeFor } from "../inputRange.ts";
import { interruptible } from "../interrupt.ts";
import {
  addModelFlags,
  addReportFlags,
  addSynthesisFlags,
  addWorkerFlags,
  count,
  type ModelFlags,
  numbers,
  presetHelp,
  type ReportFlags,
  type SynthesisFlags,
  sessionOptions,
  type WorkerFlags,
} from "../options.ts";
import { openOutput, stem } from "../output.ts";
import { createProfileOutput } from "../profile.ts";
import { createReporter } from "../reporter.ts";
import { printResult } from "../result.ts";
import { createCollector, synthesisOptions, writeImages } from "../synthetic.ts";

interface SynthesizeFlags extends ReportFlags, ModelFlags, SynthesisFlags, InputRangeFlags, WorkerFlags {
  output?: string;
  mean?: number[];
  std?: number[];
}

const HELP = `
Writes <model>.images.npy, float32 [N, H, W, C] in the range that the model expects its input in, which
\`quantize --data\` reads, and <model>.images.png, the first 64 of them to look at. Ctrl-C keeps
the batches that are finished.

${presetHelp()}

${INPUT_RANGE_HELP}

Examples:
  genie-wasm synthesize resnet.onnx --images 256 --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225
  genie-wasm synthesize mobilenet.h5 --input-range 127.5/64

--json: {"command", "model", "output", "contactSheet", "images", "shape", "loss", "seconds",
  "distances": {"noise", "images"}}, each [{"layer", "mean", "std"}]: how far means and standard
  deviations at every BatchNorm are from the model's, in its standard deviations; absent without BatchNorms
`;

/** Images whose distance is shown: more say no more. */
const MEASURED_IMAGES = 256;

export function addSynthesize(program: Command): void {
  const command = program
    .command("synthesize")
    .summary("make images from a model's BatchNorm statistics, and a contact sheet of them")
    .description("Synthesizes images whose statistics match what the model's BatchNorms have seen (GENIE-D).")
    .argument(
      "<model>",
      "float ONNX, .h5, .keras or .tflite file, TFJS model.json or its folder; with its BatchNorms",
    )
    .option(
      "-o, --output <file.npy>",
      "images; the contact sheet goes beside it (default: <model>.images.npy)",
    );
  addSynthesisFlags(command)
    .option("--iterations <n>", "the same as --synthesis-iterations", count)
    .option("--mean <m1,m2,…>", "true colours on the contact sheet: what pixels were normalized by", numbers)
    .option("--std <s1,s2,…>", "likewise", numbers);
  addInputRangeFlag(command);
  addModelFlags(command);
  addWorkerFlags(command);
  addReportFlags(command).addHelpText("after", HELP).action(runSynthesize);
}

async function runSynthesize(model: string, flags: SynthesizeFlags & { iterations?: number }): Promise<void> {
  const output = flags.output ?? `${stem(model)}.images.npy`;
  const npy = await openOutput(output, [model]);
  const sheet = await openOutput(`${output.replace(/\.npy$/, "")}.png`, [model]);
  const reporter = createReporter(flags);
  await claimOutput(output, reporter.note);
  const graph = await readModel(model, flags, reporter.note);
  const profile = createProfileOutput(flags);
  const collector = createCollector();
  const started = performance.now();
  const write = (images: Images) =>
    writeImages(images, npy, { file: sheet, mean: flags.mean, std: flags.std });
  let loss = 0;
  try {
    const images = await interruptible((signal) =>
      synthesize(graph, {
        ...synthesisBudget(presetFor(flags.preset, graph)),
        ...given(synthesisOptions({ ...flags, ...given({ synthesisIterations: flags.iterations }) })),
        inputRange: rangeFor(graph, flags),
        onProgress(progress) {
          if (progress.stage === "synthesis") loss = progress.loss;
          reporter.onProgress(progress);
        },
        onBatch: collector.onBatch,
        ...sessionOptions(flags),
        onProfile: profile.onProfile,
        onNote: reporter.note,
        signal,
      }),
    );
    reporter.close();
    await write(images);
    const seconds = (performance.now() - started) / 1000;
    const { shape } = images;
    const distances = await measure(graph, images);
    printResult(
      {
        command: "synthesize",
        model,
        output: npy.path,
        contactSheet: sheet.path,
        images: shape[0],
        shape,
        loss,
        seconds,
        distances,
      },
      () =>
        (distances ? `${formatDistances(distances.noise, distances.images)}\n\n` : "") +
        `wrote ${npy.path}: ${shape[0]} images [${shape.slice(1).join(", ")}] in ${formatSeconds(seconds)}\n` +
        `wrote ${sheet.path}: look at it`,
      flags,
    );
    profile.print();
  } catch (error) {
    reporter.close();
    if (!(error instanceof GenieError) || error.code !== "aborted") throw error;
    const stopped = (what: string): GenieError =>
      new GenieError("aborted", `${error.message}; ${what}`, { cause: error });
    const images = collector.finished();
    if (!images) throw stopped("no batch was finished, nothing was written");
    await write(images);
    throw stopped(`kept ${images.shape[0]} finished images in ${npy.path} and ${sheet.path}`);
  }
}

/** How well the statistics of the first images match the model's, if it has some, beside noise in the same range. */
async function measure(
  graph: Graph,
  images: Images,
): Promise<{ noise: StatisticsDistance[]; images: StatisticsDistance[] } | undefined> {
  if (graph.inputs.length > 1 || batchNormStatistics(graph).length === 0) return undefined;
  const count = Math.min(images.shape[0]!, MEASURED_IMAGES);
  return {
    noise: await statisticsDistance(graph, await noiseImages(graph, count)),
    images: await statisticsDistance(graph, slice(images, 0, count)),
  };
}
