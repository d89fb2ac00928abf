/** Folders of pictures as image sets, with labels from a CSV or from their names. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { GenieError } from "../errors.ts";
import { DEFAULT_LIMITS } from "../formats/budget.ts";
import { decodeImage, isImageName } from "../formats/images/decode.ts";
import { type FitOptions, fitTo } from "../formats/images/fit.ts";
import { withChannels } from "../formats/images/pixels.ts";
import type { NpyArray } from "../formats/npy.ts";
import { readRegularFile } from "../formats/regularFile.ts";

export interface FolderOptions extends FitOptions {
  /** The model's [H, W, C]. */
  size: readonly [number, number, number];
  /** The first so many only. */
  limit?: number | undefined;
  /** Is told what was left out, and that pictures were scaled though nobody asked for it. */
  note?: ((text: string) => void) | undefined;
}

/** Bytes of all pictures together that are held in memory, as 8-bit pixels; as floats they take four times as much. */
const MAX_BYTES = 2 ** 31;

/** Names of the pictures in a folder, sorted. @throws GenieError `invalid-data` where there are none. */
export async function pictureNames(folder: string, limit?: number): Promise<string[]> {
  return (await listFolder(folder)).pictures.slice(0, limit);
}

/**
 * The pictures of a folder as pixels [N, H, W, C], in the order of their names, in the model's size by `fitTo`.
 *
 * @throws GenieError naming the file: `malformed-file` for a damaged one, `invalid-option` for one that is smaller
 *   than what is to be cropped from it.
 */
export async function readFolder(folder: string, options: FolderOptions): Promise<NpyArray> {
  const { size, limit, note } = options;
  const [height, width, channels] = size;
  if (channels !== 1 && channels !== 3) {
    throw new GenieError("invalid-data", `the model takes ${channels} channels; pictures have 1 or 3`);
  }
  const { pictures, others } = await listFolder(folder);
  if (others > 0) note?.(`${folder}: ${plural(others, "other file")} ignored, not named .jpg, .jpeg or .png`);
  const names = pictures.slice(0, limit);
  const stride = height * width * channels;
  if (names.length * stride > MAX_BYTES) {
    throw new GenieError(
      "invalid-data",
      `${folder} holds ${names.length} pictures, too many at once: see --limit`,
    );
  }
  const data = new Uint8Array(names.length * stride);
  let fitted = 0;
  for (const [index, name] of names.entries()) {
    const path = join(folder, name);
    try {
      const picture = await decodeImage(await readRegularFile(path, DEFAULT_LIMITS.bytes));
      if (picture.height !== height || picture.width !== width) fitted++;
      data.set(fitTo(withChannels(picture, channels), height, width, options).data, index * stride);
    } catch (error) {
      if (!(error instanceof GenieError)) throw error;
      throw new GenieError(error.code, `${path}: ${error.message}`, { cause: error });
    }
  }
  if (fitted > 0 && options.resize === undefined && options.crop === undefined) {
    note?.(
      `${folder}: ${plural(fitted, "picture")} scaled to cover ${height}×${width}, centre cropped; ` +
        "see --resize and --crop",
    );
  }
  return { shape: [names.length, height, width, channels], data };
}

async function listFolder(folder: string): Promise<{ pictures: string[]; others: number }> {
  const names = await readdir(folder);
  const pictures = names.filter(isImageName).sort();
  if (pictures.length === 0) throw new GenieError("invalid-data", `${folder} holds no JPEG or PNG files`);
  return { pictures, others: names.length - pictures.length };
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** Labels from the number that each name begins with: 0123_name.jpg is 123. @throws GenieError `invalid-data`. */
export function labelsFromNames(names: readonly string[]): number[] {
  return names.map((name) => {
    const digits = /^\d+/.exec(name)?.[0];
    if (!digits) {
      throw new GenieError(
        "invalid-data",
        `"${name}" does not begin with its label; give the labels with --labels`,
      );
    }
    return Number(digits);
  });
}

/** Labels of the named pictures from lines "name,label"; a first line without a number is a heading. */
export function labelsFromCsv(csv: string, names: readonly string[]): number[] {
  const labels = new Map<string, number>();
  for (const [index, line] of csv.split(/\r?\n/).entries()) {
    if (line.trim() === "") continue;
    const comma = line.lastIndexOf(",");
    const label = Number(line.slice(comma + 1).trim());
    if (comma < 0 || !Number.isInteger(label)) {
      if (index === 0) continue;
      throw new GenieError("invalid-data", `line ${index + 1} of the labels is not "name,label": ${line}`);
    }
    labels.set(
      line
        .slice(0, comma)
        .trim()
        .replace(/^"(.*)"$/, "$1"),
      label,
    );
  }
  return names.map((name) => {
    const label = labels.get(name);
    if (label === undefined) throw new GenieError("invalid-data", `the labels have no line for "${name}"`);
    return label;
  });
}
