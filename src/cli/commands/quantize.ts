/** `genie-wasm quantize`: a float model in, a low-bit model out. */
import { type Command, Option } from "commander";
import { GenieError } from "../../errors.ts";
import type { WeightStorage } from "../../formats/onnx/storage.ts";
import type { BlockReport } from "../../quantization/sequence.ts";
import { formatBytes, formatLoss, formatSeconds, formatTable } from "../../report/format.ts";
import { quantize } from "../../session/calls.ts";
import type { QuantizeOptions } from "../../session/settings.ts";
import { readImages, readModel } from "../input.ts";
import { addInputRangeFlag, INPUT_RANGE_HELP, type InputRangeFlags, rangeFor } from "../inputRange.ts";
import { interruptible } from "../interrupt.ts";
import { MODEL_FORMATS, type ModelFormat, openModelOutput } from "../modelOutput.ts";
import {
  addBitFlags,
  addImageFlags,
  addModelFlags,
  addReportFlags,
  addSynthesisFlags,
  addWorkerFlags,
  type BitFlags,
  IMAGE_HELP,
  type ImageFlags,
  imageOptions,
  integer,
  type ModelFlags,
  presetHelp,
  type ReportFlags,
  type SynthesisFlags,
  sessionOptions,
  type WorkerFlags,
} from "../options.ts";
import { stem } from "../output.ts";
import { createProfileOutput } from "../profile.ts";
import { createReporter } from "../reporter.ts";
import { printResult } from "../result.ts";
import { addResumeFlags, explainResume, openRunFolder, type ResumeFlags } from "../resume.ts";
import { synthesisOptions } from "../synthetic.ts";

export interface QuantizeFlags
  extends ReportFlags,
    ModelFlags,
    BitFlags,
    SynthesisFlags,
    InputRangeFlags,
    ImageFlags,
    WorkerFlags,
    ResumeFlags {
  output?: string;
  format: ModelFormat;
  data?: string;
  symmetric?: boolean;
  storage: WeightStorage;
  iterations?: number;
}

const HELP = `
Without --data, calibration images are synthesized from the statistics in the model's BatchNorms; where
it has none left, procedural pictures are drawn (--mode prior), and a note says so.
The result is ONNX with QuantizeLinear/DequantizeLinear, opset 21, written whole or not at all. With
--format tfjs it is a folder with model.json and weights.bin, as tfjs-layers loads it: floats that the
low-bit weights stand for, BatchNorm folded. That format knows no quantized activations: they stay float.
Finished batches of images and finished blocks are kept in the folder <output>.checkpoint until the
model is written: after Ctrl-C, SIGTERM, SIGHUP or a power failure, the same command goes on behind them.

${presetHelp()}
Single numbers are overridden by --images, --synthesis-iterations and --iterations. Time grows with
images × iterations, and with blocks × iterations.

${INPUT_RANGE_HELP}

${IMAGE_HELP}

Examples:
  genie-wasm quantize resnet.onnx                        W4A4, no data → resnet.w4a4.onnx
  genie-wasm quantize resnet.onnx -w 8 -a 8 --preset fast
  genie-wasm quantize resnet.onnx -w 2 -a 4 --preset best -o small.onnx
  genie-wasm quantize resnet.onnx --data real.npy --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225
  genie-wasm quantize mobilenet/ --format tfjs -o small/  → small/model.json, small/weights.bin
  genie-wasm quantize mobilenet/ --data pictures/ --scale 127.5 --mean 1 --resize 256

--json: {"command", "model", "output", "format", "bytes", "weightBits", "activationBits", "setting", "symmetric", "storage",
  "preset", "seed", "images", "synthetic", "seconds": {"synthesis", "reconstruction", "total"},
  "blocks": [{"name", "layers", "initialLoss", "loss", "seconds"}]}
`;

export function addQuantize(program: Command): void {
  const command = program
    .command("quantize")
    .summary("quantize a float model, with no data")
    .description("Quantizes a float model block by block (GENIE), with no data or with a few real images.")
    .argument(
      "<model>",
      "float ONNX, .h5, .keras or .tflite file, TFJS model.json or its folder; with its BatchNorms",
    )
    .option("-o, --output <path>", "quantized model (default: <model>.w4a4.onnx, by its bits)")
    .addOption(
      new Option("--format <name>", "ONNX file, or TFJS Layers folder (default: <model>.w4a4)")
        .choices(MODEL_FORMATS)
        .default("onnx"),
    );
  addBitFlags(command)
    .option("--symmetric", "all weights with the zero-point in the middle (default: those of 8 bits)")
    .option("--no-symmetric", "none of them: the published method")
    .addOption(
      new Option(
        "--storage <type>",
        "weights of up to 4 bits in ONNX: a byte each, which runs fast, or half of one",
      )
        .choices(["int8", "int4"])
        .default("int8"),
    );
  addSynthesisFlags(command).option(
    "--iterations <n>",
    "reconstruction iterations a block; 0 rounds by feedback alone",
    integer(0, 1e7),
  );
  addInputRangeFlag(command);
  command.option(
    "--data <path>",
    "real or kept images instead of synthetic ones: .npy [N, H, W, C], or a folder of JPEG and PNG files",
  );
  addImageFlags(command);
  addModelFlags(command);
  addWorkerFlags(command);
  addResumeFlags(command);
  addReportFlags(command).addHelpText("after", HELP).action(runQuantize);
}

async function runQuantize(model: string, flags: QuantizeFlags): Promise<void> {
  const { data, format, weightBits, activationBits, preset, seed, setting, storage } = flags;
  const symmetric = flags.symmetric ?? "wide";
  refuseContradictions(flags);
  const name = `${stem(model)}.w${weightBits}a${activationBits}`;
  const inputs = data ? [model, data] : [model];
  const output = await openModelOutput({ format, storage }, flags.output, name, inputs);
  const reporter = createReporter(flags);
  const checkpoint = await openRunFolder(output.path, flags, reporter.note);
  const profile = createProfileOutput(flags);
  const graph = await readModel(model, flags, reporter.note);
  output.check(graph);
  const images = data
    ? await readImages(data, graph, { ...imageOptions(flags), note: reporter.note })
    : undefined;
  const { synthesis, ...stages } = quantizeOptions(flags);
  const ranged = { ...synthesis, inputRange: rangeFor(graph, flags) };
  const options = { ...stages, synthesis: ranged, data: images, checkpoint };
  try {
    const result = await interruptible((signal) =>
      quantize(graph, {
        ...options,
        ...sessionOptions(flags),
        onProfile: profile.onProfile,
        onProgress: reporter.onProgress,
        onNote: reporter.note,
        signal,
      }),
    );
    reporter.close();
    const bytes = await output.write(result.model);
    await checkpoint.clear();
    const { synthesis, reconstruction } = result.seconds;
    const count = result.images.shape[0]!;
    printResult(
      {
        command: "quantize",
        model,
        output: output.path,
        format,
        bytes,
        weightBits,
        activationBits,
        setting,
        symmetric,
        storage,
        preset,
        seed,
        images: count,
        synthetic: !data,
        seconds: { synthesis, reconstruction, total: synthesis + reconstruction },
        blocks: result.blocks,
      },
      () =>
        [
          formatBlocks(result.blocks),
          "",
          `wrote ${output.path}: W${weightBits}${format === "onnx" ? `A${activationBits}` : ", activations float"}, ` +
            formatBytes(bytes),
          data
            ? `calibrated on ${count} images of ${data}, in ${formatSeconds(reconstruction)}`
            : `calibrated on ${count} synthetic images: ` +
              `${formatSeconds(synthesis)} to synthesize, ${formatSeconds(reconstruction)} to reconstruct`,
        ].join("\n"),
      flags,
    );
    profile.print();
  } catch (error) {
    reporter.close();
    throw await explainResume(error, checkpoint);
  }
}

/** What the facade's `quantize` is asked for. */
export function quantizeOptions(flags: Omit<QuantizeFlags, "format" | "storage">): QuantizeOptions {
  return {
    preset: flags.preset,
    weightBits: flags.weightBits,
    activationBits: flags.activationBits,
    setting: flags.setting,
    symmetricWeights: flags.symmetric,
    seed: flags.seed,
    synthesis: synthesisOptions(flags),
    reconstruction: { iterations: flags.iterations },
  };
}

function refuseContradictions({ data, images, inputRange, ...flags }: QuantizeFlags): void {
  if (data && images) {
    throw new GenieError("invalid-option", "--images synthesizes and --data does not: give one of them");
  }
  if (data && inputRange) {
    throw new GenieError("invalid-option", "--input-range is about synthetic images, and --data has others");
  }
  const about = Object.keys(imageOptions(flags)) as (keyof ImageFlags)[];
  if (!data && about.some((flag) => flags[flag] !== undefined)) {
    throw new GenieError("invalid-option", `${about.map((flag) => `--${flag}`).join(", ")} are about --data`);
  }
}

function formatBlocks(blocks: readonly BlockReport[]): string {
  return formatTable(
    ["block", "layers", "error before", "after", "seconds"],
    blocks.map(({ name, layers, initialLoss, loss, seconds }) => [
      name,
      String(layers.length),
      formatLoss(initialLoss),
      formatLoss(loss),
      seconds.toFixed(1),
    ]),
  );
}
