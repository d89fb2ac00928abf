/** `genie-wasm demo`: the whole job on the model that comes with the package. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { normalizeImages } from "../../formats/images/normalize.ts";
import { npyNumbers, readNpy } from "../../formats/npy.ts";
import { exportOnnx } from "../../formats/onnx/export.ts";
import { contactSheet } from "../../report/contactSheet.ts";
import { formatBytes, formatSeconds, formatShare, formatTable } from "../../report/format.ts";
import { loadModel } from "../../session/load.ts";
import { openSession } from "../../session/session.ts";
import { interruptible } from "../interrupt.ts";
import {
  addBitFlags,
  addReportFlags,
  addSynthesisFlags,
  addWorkerFlags,
  type BitFlags,
  integer,
  type ReportFlags,
  type SynthesisFlags,
  sessionOptions,
  type WorkerFlags,
} from "../options.ts";
import { openOutput } from "../output.ts";
import { createProfileOutput } from "../profile.ts";
import { createReporter } from "../reporter.ts";
import { printResult } from "../result.ts";
import { quantizeOptions } from "./quantize.ts";

const MODEL = new URL("../../../examples/fashion-mnist/fashion-resnet.onnx", import.meta.url);
const IMAGES = new URL("../../../examples/fashion-mnist/test-images.npy", import.meta.url);
const LABELS = new URL("../../../examples/fashion-mnist/test-labels.npy", import.meta.url);
/** Fewer than the preset's: this network is as good as float behind 300, and nobody waits for a demo. */
const ITERATIONS = 300;
/** What train.py normalized Fashion-MNIST by. */
const PIXELS = { scale: 255, mean: [0.286], std: [0.353] };

type DemoFlags = ReportFlags &
  BitFlags &
  SynthesisFlags &
  WorkerFlags & { outputDir: string; iterations: number };

const HELP = `
Quantizes a small residual network for Fashion-MNIST to W4A4 with no data, evaluates it before and
after on 1000 test images, and writes fashion-resnet.w4a4.onnx and fashion-resnet.images.png.

--json: {"command", "output", "contactSheet", "float": {"top1", "top5", "bytes"},
  "quantized": {"top1", "top5", "bytes"}, "count", "seconds": {"synthesis", "reconstruction", "total"}}
`;

export function addDemo(program: Command): void {
  const command = program
    .command("demo")
    .summary("quantize the model that comes with this package, with no data")
    .description("Runs the whole job on a small model that comes with this package.")
    .option("--output-dir <folder>", "where the files go", ".");
  addBitFlags(command);
  addSynthesisFlags(command, "fast").option(
    "--iterations <n>",
    "reconstruction iterations a block; 0 rounds by feedback alone",
    integer(0, 1e7),
    ITERATIONS,
  );
  addWorkerFlags(command);
  addReportFlags(command).addHelpText("after", HELP).action(runDemo);
}

async function runDemo(flags: DemoFlags): Promise<void> {
  const started = performance.now();
  const bits = `w${flags.weightBits}a${flags.activationBits}`;
  const file = await openOutput(join(flags.outputDir, `fashion-resnet.${bits}.onnx`));
  const sheet = await openOutput(join(flags.outputDir, "fashion-resnet.images.png"));
  const [bytes, pixels, classes] = await Promise.all([MODEL, IMAGES, LABELS].map((url) => readFile(url)));
  const graph = await loadModel(bytes!);
  const images = normalizeImages(readNpy(pixels!), PIXELS);
  const labels = npyNumbers(readNpy(classes!));
  const reporter = createReporter(flags);
  const profile = createProfileOutput(flags);
  const session = await openSession({ ...sessionOptions(flags), onProfile: profile.onProfile });
  try {
    const { before, after, result } = await interruptible(async (signal) => {
      const work = { onProgress: reporter.onProgress, onNote: reporter.note, signal };
      const before = await session.evaluate(graph, images, labels, work);
      const result = await session.quantize(graph, { ...quantizeOptions(flags), ...work });
      const after = await session.evaluate(result.model, images, labels, work);
      return { before, after, result };
    });
    reporter.close();
    const quantized = exportOnnx(result.model);
    await file.write(quantized);
    await sheet.write(contactSheet(result.images, PIXELS));
    const rows = [
      { name: "float", ...before, bytes: bytes!.length },
      { name: bits.toUpperCase(), ...after, bytes: quantized.length },
    ];
    const accuracy = ({ top1, top5, bytes }: (typeof rows)[number]) => ({ top1, top5, bytes });
    const seconds = { ...result.seconds, total: (performance.now() - started) / 1000 };
    printResult(
      {
        command: "demo",
        output: file.path,
        contactSheet: sheet.path,
        float: accuracy(rows[0]!),
        quantized: accuracy(rows[1]!),
        count: before.count,
        seconds,
      },
      () =>
        [
          formatTable(
            ["Fashion-MNIST", "top-1", "top-5", "file"],
            rows.map((row) => [
              row.name,
              formatShare(row.top1),
              formatShare(row.top5),
              formatBytes(row.bytes),
            ]),
          ),
          "",
          `${before.count} test images for judging, none for quantizing; ${formatSeconds(seconds.total)} in all`,
          `wrote ${file.path}`,
          `wrote ${sheet.path}: the images that were synthesized instead of data`,
        ].join("\n"),
      flags,
    );
    profile.print();
  } finally {
    session.close();
    reporter.close();
  }
}
