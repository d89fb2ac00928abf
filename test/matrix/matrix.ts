/** The matrix runtime × binary × workers. */
import type { Binary } from "../../src/kernels/binary.ts";
import type { Task } from "./jobs.ts";
import type { Outcome, Runtime } from "./runtimes/runtime.ts";

export interface Cell extends Outcome {
  runtime: string;
  binary: Binary;
  workers: number;
}

const BINARIES: Binary[] = ["baseline", "relaxed"];
const WORKERS = [1, 2];

/** Runs the task in each cell, one after the other. */
export async function runMatrix(
  runtimes: readonly Runtime[],
  task: Task,
  onCell: (cell: Cell) => void = () => {},
): Promise<Cell[]> {
  const cells: Cell[] = [];
  for (const binary of BINARIES) {
    for (const workers of WORKERS) {
      for (const runtime of runtimes) {
        const outcome = await runtime.run({ ...task, binary, workers });
        const cell = { runtime: runtime.name, binary, workers, ...outcome };
        cells.push(cell);
        onCell(cell);
      }
    }
  }
  return cells;
}

/** Pairs of cells, the same but for the runtime, whose quantized models differ. */
export function differences(cells: readonly Cell[]): string[] {
  return cells.flatMap((cell) => {
    const first = cells.find(({ binary, workers }) => binary === cell.binary && workers === cell.workers)!;
    if (first.weights === cell.weights && first.file === cell.file) return [];
    const what = first.weights === cell.weights ? "the same weights but other activations" : "other weights";
    return [`${cell.binary}, ${cell.workers} workers: ${cell.runtime} has ${what} than ${first.runtime}`];
  });
}
