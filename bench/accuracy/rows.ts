/** Results as they are kept: one row a model, bits, method, seed and budget. */
import { existsSync } from "node:fs";
import { readFile, rename, writeFile } from "node:fs/promises";

export interface Row {
  model: string;
  /** "float", or weight bits × activation bits as "4x8". */
  bits: string;
  method: string;
  seed: number;
  /** "" of float; else the images ("256 × 200", images × iterations, or "real"), a comma, iterations a block. */
  budget: string;
  /** Share of the images that are right in onnxruntime. */
  top1: number;
  /** From the images to the verdict; with the synthesis in the first row that needs it. */
  seconds: number;
}

export async function readRows(file: string): Promise<Row[]> {
  return existsSync(file) ? JSON.parse(await readFile(file, "utf8")) : [];
}

/** Whole or not at all: a run may be stopped at any time. */
export async function writeRows(file: string, rows: readonly Row[]): Promise<void> {
  await writeFile(`${file}.part`, `${JSON.stringify(rows, null, 1)}\n`);
  await rename(`${file}.part`, file);
}
