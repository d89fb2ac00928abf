/** Reading what commands are given, with errors that name the file. */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { GenieError } from "../errors.ts";
import { DEFAULT_LIMITS } from "../formats/budget.ts";
import { nameFolder } from "../formats/foreign/name.ts";
import { normalizeImages, type PixelOptions } from "../formats/images/normalize.ts";
import { type NpyArray, npyNumbers, readNpy } from "../formats/npy.ts";
import { readBeside, readRegularFile } from "../formats/regularFile.ts";
import type { Images } from "../images.ts";
import type { Graph } from "../ir/graph.ts";
import { inferShapes } from "../ir/shapes.ts";
import { loadModel } from "../session/load.ts";
import {
  type FolderOptions,
  labelsFromCsv,
  labelsFromNames,
  pictureNames,
  readFolder,
} from "./imageFolder.ts";
import type { ModelFlags } from "./options.ts";

export type ImageOptions = PixelOptions & Omit<FolderOptions, "size">;

/**
 * The model in a file, or in a folder with a `model.json`; the shards of a `model.json` are beside it.
 *
 * @throws GenieError as `loadModel`, and `malformed-file` for a file that cannot be read.
 */
export async function readModel(
  path: string,
  { inputShape, limits }: ModelFlags = {},
  onNote?: (note: string) => void,
): Promise<Graph> {
  const isInFolder = await isFolder(path);
  const file = isInFolder ? join(path, "model.json") : path;
  if (isInFolder && !(await stat(file).catch(() => undefined))) {
    const name = nameFolder(path, await readdir(path));
    throw new GenieError(
      "malformed-file",
      name ? `${path}: ${name}` : `${path} is a folder without a model.json; name the model's file`,
    );
  }
  const { bytes: maxBytes } = { ...DEFAULT_LIMITS, ...limits };
  const bytes = await readRegularFile(file, maxBytes);
  const readShard = (shard: string, left = maxBytes) => readBeside(file, shard, left);
  return named(file, () => loadModel(bytes, { inputShape, readShard, onNote, limits, fileName: file }));
}

export async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() ?? false;
}

/**
 * Images from a `.npy` file or a folder of JPEG and PNG files, normalized and checked against the model's input.
 *
 * @param options How pixels become inputs; how pictures get the model's size, how many of them, and who is told.
 * @throws GenieError `invalid-data`, `invalid-option`, `malformed-file`.
 */
export async function readImages(
  path: string,
  graph: Graph,
  { limit, resize, crop, note, ...pixels }: ImageOptions = {},
): Promise<Images> {
  if (await isFolder(path)) {
    const [, ...size] = graph.inputs[0]!.shape;
    if (size.length !== 3)
      throw new GenieError("invalid-data", `${path}: the model takes no images, but [${size}]`);
    const options = { size: size as [number, number, number], resize, crop, limit, note };
    const pictures = await readFolder(path, options);
    return named(path, () => normalizeImages(pictures, pixels));
  }
  if (resize ?? crop) {
    throw new GenieError("invalid-option", `--resize and --crop are for folders of pictures, not ${path}`);
  }
  const array = await readArray(path);
  return named(path, () => {
    checkShape(array.shape, graph.inputs[0]!.shape);
    return normalizeImages(firstRows(array, limit), pixels);
  });
}

/**
 * Class indices of the pictures in a folder: from a CSV file "name,label", or from the number each name begins with.
 *
 * @throws GenieError `invalid-data`, `malformed-file`.
 */
export async function readFolderLabels(
  folder: string,
  csv: string | undefined,
  graph: Graph,
  limit?: number,
): Promise<number[]> {
  const names = await pictureNames(folder, limit);
  if (csv === undefined) return checkLabels(labelsFromNames(names), graph);
  const text = new TextDecoder().decode(await readRegularFile(csv, DEFAULT_LIMITS.bytes));
  return named(csv, () => checkLabels(labelsFromCsv(text, names), graph));
}

/**
 * Class indices from a `.npy` file of any integer type, [N] or [N, 1], checked against the model's classes.
 *
 * @throws GenieError `invalid-data`, `malformed-file`.
 */
export async function readLabels(path: string, graph: Graph, limit?: number): Promise<Float64Array> {
  const array = await readArray(path);
  return named(path, () => {
    const { shape, data } = array;
    const isList = shape.length === 1 || (shape.length === 2 && shape[1] === 1);
    if (!isList || shape[0]! < 1) {
      throw new GenieError("invalid-data", `labels have the shape [N], not [${shape}]`);
    }
    if (data instanceof Float32Array || data instanceof Float64Array) {
      throw new GenieError("invalid-data", "labels are integers, this file holds floats");
    }
    return checkLabels(Float64Array.from(npyNumbers(firstRows(array, limit))), graph);
  });
}

function checkLabels<Labels extends number[] | Float64Array>(labels: Labels, graph: Graph): Labels {
  const classes = inferShapes(graph).get(graph.outputs[0]!)!.at(-1)!;
  const bad = labels.findIndex((label) => label < 0 || label >= classes);
  if (bad >= 0) {
    throw new GenieError(
      "invalid-data",
      `label ${labels[bad]} at index ${bad} is not one of the model's ${classes} classes, 0 to ${classes - 1}`,
    );
  }
  return labels;
}

async function readArray(path: string): Promise<NpyArray> {
  const bytes = await readRegularFile(path, DEFAULT_LIMITS.bytes);
  return named(path, () => readNpy(bytes));
}

/** Puts the file's name before the message of what goes wrong in it. */
async function named<Result>(path: string, work: () => Result | Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof GenieError)) throw error;
    throw new GenieError(error.code, `${path}: ${error.message}`, { cause: error });
  }
}

function firstRows({ shape, data }: NpyArray, limit = Number.POSITIVE_INFINITY): NpyArray {
  const [rows, ...rest] = shape as [number, ...number[]];
  const kept = Math.min(rows, limit);
  return { shape: [kept, ...rest], data: data.subarray(0, (data.length / rows) * kept) };
}

function checkShape(actual: number[], input: number[]): void {
  const wanted = input.slice(1);
  const equals = (shape: number[]) =>
    shape.length === wanted.length && shape.every((d, i) => d === wanted[i]);
  if (equals(actual.slice(1)) && actual[0]! > 0) return;
  const [n, ...rest] = actual;
  const [height, width, channels] = wanted;
  let hint = "";
  if (wanted.length === 3 && rest.length === 3 && equals([rest[1]!, rest[2]!, rest[0]!])) {
    hint = ": it looks like [N, C, H, W]; save images.transpose(0, 2, 3, 1)";
  } else if (channels === 1 && rest.length === 2 && rest[0] === height && rest[1] === width) {
    hint = ": the channel is missing; save images[..., None]";
  } else if (equals(actual)) {
    hint = ": the batch is missing; save images[None]";
  } else if (n === 0) {
    hint = ": there are no images in it";
  }
  throw new GenieError(
    "invalid-data",
    `shape [${actual.join(", ")}] does not fit the model's input [N, ${wanted.join(", ")}]${hint}`,
  );
}
