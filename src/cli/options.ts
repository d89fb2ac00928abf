/** Flags that several commands share: how they are spelled, read and explained. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { DEFAULT_LIMITS, type Limits } from "../formats/budget.ts";
import type { FitOptions } from "../formats/images/fit.ts";
import type { PixelOptions } from "../formats/images/normalize.ts";
import type { BitSetting } from "../ir/bits.ts";
import { type PresetName, presets, SMALL_PIXELS } from "../session/presets.ts";
import type { SessionOptions } from "../session/session.ts";
import type { SynthesisMode } from "../synthesis/options.ts";

export interface ReportFlags {
  json?: boolean;
  quiet?: boolean;
}

export interface ModelFlags {
  inputShape?: number[];
  limits?: Partial<Limits>;
}

export interface BitFlags {
  weightBits: number;
  activationBits: number;
  setting: BitSetting;
}

export interface SynthesisFlags {
  preset: PresetName;
  images?: number;
  synthesisIterations?: number;
  batchSize?: number;
  mode: SynthesisMode;
  swing: boolean;
  seed: number;
}

export interface WorkerFlags {
  workers?: number;
  memory?: number;
  profile?: boolean;
}

/** Reads an integer in [minimum, maximum]. */
export function integer(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isInteger(value) || value < minimum || value > maximum) {
      throw new InvalidArgumentError(`It must be an integer in ${minimum}…${maximum}.`);
    }
    return value;
  };
}

/** Reads "0.485,0.456,0.406". */
export function numbers(text: string): number[] {
  const values = text.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  if (!values.every(Number.isFinite)) {
    throw new InvalidArgumentError("It must be numbers with commas between them.");
  }
  return values;
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && Number.isFinite(value))) throw new InvalidArgumentError("It must be a positive number.");
  return value;
}

/** Reads "1,3,224,224", or "?,3,480,640" where not all of it has to be said: −1 for a question mark. */
function shape(text: string): number[] {
  const values = text
    .split(",")
    .map((part) => (part.trim() === "?" ? -1 : Number(part.trim() || Number.NaN)));
  if (!values.every((value) => Number.isInteger(value) && (value > 0 || value === -1))) {
    throw new InvalidArgumentError(
      "It must be positive integers or question marks with commas between them, as 1,3,224,224.",
    );
  }
  return values;
}

/** Reads "values=5e8,nodes=20000". */
function limits(text: string): Partial<Limits> {
  const pairs = text.split(",").map((part) => part.split("=").map((side) => side.trim()));
  for (const [name = "", value = ""] of pairs) {
    if (!Object.hasOwn(DEFAULT_LIMITS, name) || !(Number(value) > 0)) {
      throw new InvalidArgumentError(
        `It must be as values=5e8,nodes=20000; limits are ${Object.keys(DEFAULT_LIMITS).join(", ")}.`,
      );
    }
  }
  return Object.fromEntries(pairs.map(([name, value]) => [name, Number(value)]));
}

export const count = integer(1, 1_000_000);

export function addReportFlags(command: Command): Command {
  return command
    .option("--json", "print one JSON object with the result, as the last line of standard output")
    .option("-q, --quiet", "no progress on standard error");
}

export function addModelFlags(command: Command): Command {
  return command
    .option(
      "--input-shape <n,c,h,w>",
      "the input's shape where the model leaves it open, in the model's own layout; ? for what it says itself",
      shape,
    )
    .option(
      "--limits <name=n,…>",
      "raise what reading the model may cost, as values=5e8,nodes=20000 (docs/limits.md)",
      limits,
    );
}

export function addBitFlags(command: Command): Command {
  const bits = integer(2, 8);
  return command
    .option("-w, --weight-bits <bits>", "weights, 2 to 8; the first and the last layer keep 8", bits, 4)
    .option("-a, --activation-bits <bits>", "activations, 2 to 8; the last layer's input keeps 8", bits, 4)
    .addOption(
      new Option("--setting <name>", "second layer's input: 8 bits (brecq) or the low width (qdrop)")
        .choices(["brecq", "qdrop"])
        .default("brecq"),
    );
}

export function addSynthesisFlags(command: Command, preset: PresetName = "balanced"): Command {
  return command
    .addOption(
      new Option("--preset <name>", "budget, see below").choices(Object.keys(presets)).default(preset),
    )
    .option("--images <n>", "images to synthesize (default: by preset)", count)
    .option("--synthesis-iterations <n>", "iterations a batch of images (default: by preset)", count)
    .option("--batch-size <n>", "images distilled together (default: by preset)", integer(2, 4096))
    .addOption(
      new Option(
        "--mode <mode>",
        "what is learned: latents and generator, generator alone, or pixels; prior draws pictures at once; " +
          "auto is genie where the model has statistics, else prior",
      )
        .choices(["auto", "genie", "generator", "pixels", "prior"])
        .default("auto"),
    )
    .option("--no-swing", "plain strided convolutions instead of swing convolutions")
    .option("--seed <n>", "same seed, same result", integer(0, 2 ** 32 - 1), 0);
}

export function addWorkerFlags(command: Command): Command {
  return command
    .option(
      "--workers <n>",
      "threads that share the work; 0 does it in the main thread (default: one a core)",
      integer(0, 256),
    )
    .option(
      "--memory <GB>",
      "what all of it may take: batches are made smaller to fit (default: half of the machine's)",
      positive,
    )
    .option("--profile", "print where the time of all threads went, by op, on standard error");
}

/** Where the work is done, as the facade takes it. */
export function sessionOptions({ workers, memory }: WorkerFlags): SessionOptions {
  return { workers, memory: memory === undefined ? undefined : memory * 1e9 };
}

export interface ImageFlags extends PixelOptions, FitOptions {}

/** How image files become inputs; --resize and --crop are for pictures. */
export function addImageFlags(command: Command): Command {
  return command
    .option(
      "--scale <number>",
      "input = (pixel / scale − mean) / std (default: 255, for float files 1)",
      positive,
    )
    .option("--mean <m1,m2,…>", "one number, or one a channel (default: 0)", numbers)
    .option("--std <s1,s2,…>", "one number, or one a channel (default: 1)", numbers)
    .option("--resize <n>", "scale the shorter side of a folder's pictures to n pixels", count)
    .option("--crop <n>", "keep n×n pixels of their centre, after --resize", count);
}

export function imageOptions({ scale, mean, std, resize, crop }: ImageFlags): ImageFlags {
  return { scale, mean, std, resize, crop };
}

/** What image files may be, for a command's help. */
export const IMAGE_HELP = `Images are a .npy array [N, H, W, C], or a folder of JPEG and PNG files, taken in the order of
their names. input = (pixel / scale − mean) / std; .npy files of floats are taken as they are
unless you give --scale, --mean or --std. 8-bit codes that mean (q − z) · s are read with
--scale 1 --mean z --std 1/s.
Pictures of another size than the model's are scaled until they just cover it (bilinear with
antialiasing, as Pillow's), and their centre is cropped. --resize scales the shorter side first,
--crop then keeps the centre: --resize 256 is Resize(256), CenterCrop for a model of 224×224.
Grey and colour become what the model takes; transparency and EXIF orientation are ignored.`;

/** What the presets stand for, for a command's help. */
export function presetHelp(): string {
  const rows = Object.entries(presets).flatMap(([name, sizes]) =>
    Object.entries(sizes).map(
      ([size, { images, batchSize, synthesisIterations, reconstructionIterations }]) =>
        `  ${name.padEnd(8)}  ${size}  ${String(images).padStart(4)} images in batches of` +
        ` ${String(batchSize).padStart(3)} × ${String(synthesisIterations).padStart(4)} iterations,` +
        ` then ${String(reconstructionIterations).padStart(5)} a block`,
    ),
  );
  const side = Math.sqrt(SMALL_PIXELS);
  return `Presets, for small inputs (up to ${side}×${side}) and large ones:\n${rows.join("\n")}`;
}
