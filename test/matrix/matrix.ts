/** The matrix runtime × binary × workers. */
import type { Binary } from "../../src/kernels/binary.ts";
import type { Job, Outcome, Runtime } from "./runtimes/runtime.ts";

export interface Cell extends Outcome {
  runtime: string;
  binary: Binary;
  workers: number;
}

export const BINARIES: readonly Binary[] = ["baseline", "relaxed"];
export const WORKERS: readonly number[] = [1, 2];

/** One job in every runtime, one after the other. */
export async function runCells(
  runtimes: readonly Runtime[],
  job: Job & { binary: Binary },
  onCell: (cell: Cell) => void = () => {},
): Promise<Cell[]> {
  const { binary, workers } = job;
  const cells: Cell[] = [];
  for (const runtime of runtimes) {
    const cell = { runtime: runtime.name, binary, workers, ...(await runtime.run(job)) };
    cells.push(cell);
    onCell(cell);
  }
  return cells;
}

/** Cells whose quantized models are not those of the first cell with the same binary and workers. */
export function differences(cells: readonly Cell[]): string[] {
  return cells.flatMap((cell) => {
    const first = cells.find(({ binary, workers }) => binary === cell.binary && workers === cell.workers)!;
    if (first.weights === cell.weights && first.file === cell.file) return [];
    const what = first.weights === cell.weights ? "the same weights but other activations" : "other weights";
    return [`${cell.binary}, ${cell.workers} workers: ${cell.runtime} has ${what} than ${first.runtime}`];
  });
}
