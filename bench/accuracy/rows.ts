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

/**
 * Adds a row to those in the file, which runs beside this one may have added to as well; written whole or not at all,
 * as a run may be stopped at any time.
 *
 * @returns All rows of the file.
 */
export async function addRow(file: string, row: Row): Promise<Row[]> {
  const rows = [...(await readRows(file)), row];
  const part = `${file}.${process.pid}`;
  await writeFile(part, `${JSON.stringify(rows, null, 1)}\n`);
  await rename(part, file);
  return rows;
}
