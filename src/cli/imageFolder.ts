/** Folders of pictures as image sets, with labels from a CSV or from their names. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { GenieError } from "../errors.ts";
import { decodeImage, isImageName, withChannels } from "../formats/images/decode.ts";
import { fitTo } from "../formats/images/resize.ts";
import type { NpyArray } from "../formats/npy.ts";

export interface FolderOptions {
  /** The model's [H, W, C]. */
  size: readonly [number, number, number];
  /** Length that the shorter side is scaled to before the centre is cropped; default: as little as covers. */
  resize?: number | undefined;
  /** The first so many only. */
  limit?: number | undefined;
}

/** Bytes of all pictures together that are held in memory, as 8-bit pixels. */
const MAX_BYTES = 2 ** 31;

/** Names of the pictures in a folder, sorted. @throws GenieError `invalid-data` where there are none. */
export async function pictureNames(folder: string, limit?: number): Promise<string[]> {
  const names = (await readdir(folder)).filter(isImageName).sort();
  if (names.length === 0) throw new GenieError("invalid-data", `${folder} holds no JPEG or PNG files`);
  return names.slice(0, limit);
}

/**
 * The pictures of a folder as pixels [N, H, W, C], in the order of their names.
 *
 * @throws GenieError naming the file: `malformed-file` for a damaged one; `invalid-option` for a `resize` below the
 *   model's size.
 */
export async function readFolder(folder: string, { size, resize, limit }: FolderOptions): Promise<NpyArray> {
  const [height, width, channels] = size;
  if (channels !== 1 && channels !== 3) {
    throw new GenieError("invalid-data", `the model takes ${channels} channels; pictures have 1 or 3`);
  }
  if (resize !== undefined && resize < Math.max(height, width)) {
    throw new GenieError("invalid-option", `--resize ${resize} is below the model's ${height}×${width}`);
  }
  const names = await pictureNames(folder, limit);
  const stride = height * width * channels;
  if (names.length * stride > MAX_BYTES) {
    throw new GenieError(
      "invalid-data",
      `${folder} holds ${names.length} pictures, too many at once: see --limit`,
    );
  }
  const data = new Uint8Array(names.length * stride);
  for (const [index, name] of names.entries()) {
    const path = join(folder, name);
    try {
      const picture = withChannels(await decodeImage(new Uint8Array(await readFile(path))), channels);
      data.set(fitTo(picture, height, width, resize).data, index * stride);
    } catch (error) {
      if (!(error instanceof GenieError)) throw error;
      throw new GenieError(error.code, `${path}: ${error.message}`, { cause: error });
    }
  }
  return { shape: [names.length, height, width, channels], data };
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
