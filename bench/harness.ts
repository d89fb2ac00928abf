/** Timing and tables: every row is ours beside its peers, measured in turns in the same run. */

export interface Row {
  table: string;
  row: string;
  /** What the numbers count, e.g. "GFLOP/s": larger is better; "ms": smaller is better. */
  unit: string;
  ours: number;
  /** The same measure for others' code; a peer that cannot do the work is left out. */
  peers: Record<string, number>;
  /** The most that the hardware allows, in `unit`; null where no limit is known. */
  ceiling: number | null;
}

/** Shortest time that one sample may take: below it the clock's grain shows. */
const MIN_SAMPLE_MS = 8;
const SAMPLES = 7;

/**
 * Median milliseconds of one call of each candidate. Samples are taken in turns (a, b, a, b, …) so that a busy
 * neighbour slows all of them alike.
 */
export async function measure<Name extends string>(
  candidates: Record<Name, () => unknown>,
  samples = SAMPLES,
): Promise<Record<Name, number>> {
  const names = Object.keys(candidates) as Name[];
  const calls = new Map<Name, number>();
  const times = new Map<Name, number[]>(names.map((name) => [name, []]));
  for (const name of names) {
    await candidates[name]();
    const once = await elapsed(candidates[name], 1);
    calls.set(name, Math.max(1, Math.ceil(MIN_SAMPLE_MS / Math.max(once, 1e-3))));
  }
  for (let sample = 0; sample < samples; sample++) {
    for (const name of names) {
      const count = calls.get(name)!;
      times.get(name)!.push((await elapsed(candidates[name], count)) / count);
    }
  }
  return Object.fromEntries(names.map((name) => [name, median(times.get(name)!)])) as Record<Name, number>;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

async function elapsed(work: () => unknown, calls: number): Promise<number> {
  const start = performance.now();
  for (let call = 0; call < calls; call++) {
    const result = work();
    if (result instanceof Promise) await result;
  }
  return performance.now() - start;
}

/** Rows of one table as aligned text: absolute values, the ratio to each peer, the share of the ceiling. */
export function formatTable(rows: readonly Row[]): string {
  const peers = [...new Set(rows.flatMap((row) => Object.keys(row.peers)))];
  const header = ["", "ours", "unit", "of ceiling", ...peers.flatMap((peer) => [peer, "×"])];
  const body = rows.map((row) => [
    row.row,
    digits(row.ours),
    row.unit,
    row.ceiling === null ? "" : `${Math.round(100 * share(row))} %`,
    ...peers.flatMap((peer) => {
      const value = row.peers[peer];
      return value === undefined ? ["–", ""] : [digits(value), digits(ratio(row, value))];
    }),
  ]);
  const widths = header.map((_, column) =>
    Math.max(...[header, ...body].map((line) => line[column]!.length)),
  );
  const line = (cells: string[]): string =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
      .join("  ");
  return [`## ${rows[0]?.table ?? ""}`, line(header), ...body.map(line)].join("\n");
}

const isTime = ({ unit }: Row): boolean => unit === "ms";

function share(row: Row): number {
  return isTime(row) ? row.ceiling! / row.ours : row.ours / row.ceiling!;
}

/** How many times better ours is. */
function ratio(row: Row, peer: number): number {
  return isTime(row) ? peer / row.ours : row.ours / peer;
}

function digits(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
