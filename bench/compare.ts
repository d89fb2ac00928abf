/** Runs side by side: ours in each, and the share of that run's ceiling. */
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import type { Row } from "./harness.ts";
import { isBreakdown } from "./iterations.ts";
import { alignColumns, digits, shareOfCeiling } from "./report.ts";
import { isWanted } from "./tables.ts";

export interface Run {
  name: string;
  rows: Row[];
}

/** Files that `--json` wrote; a run is called by its file's name. */
export function readRuns(paths: readonly string[]): Promise<Run[]> {
  return Promise.all(
    paths.map(async (path) => ({
      name: basename(path, ".json"),
      rows: JSON.parse(await readFile(path, "utf8")) as Row[],
    })),
  );
}

/** The rows that more than one run has, as a table for a document. */
export function compareRuns(runs: readonly Run[], texts: readonly string[] | undefined): string {
  const isSame = (a: Row, b: Row): boolean => a.table === b.table && a.row === b.row;
  const cellsOf = (row: Row): string[] =>
    runs.map(({ rows }) => {
      const found = rows.find((other) => isSame(row, other));
      if (!found) return "–";
      const share = shareOfCeiling(found);
      return share ? `${digits(found.ours)} (${share})` : digits(found.ours);
    });
  const seen: Row[] = [];
  for (const row of runs.flatMap(({ rows }) => rows)) {
    if (!isBreakdown(row) && isWanted(row.row, texts) && !seen.some((other) => isSame(row, other)))
      seen.push(row);
  }
  const inSeveral = seen.filter(
    (row) => runs.filter(({ rows }) => rows.some((other) => isSame(row, other))).length > 1,
  );
  const body = inSeveral.map((row) => [`${row.table}: ${row.row.trim()}`, row.unit, ...cellsOf(row)]);
  return `\`\`\`\n${alignColumns([["ours", "unit", ...runs.map(({ name }) => name)], ...body])}\n\`\`\``;
}
