/** Rows as people read them: aligned tables on a terminal, and the same tables in their places in a document. */
import { arch, cpus } from "node:os";
import type { Row } from "./harness.ts";

/** Rows of one table as aligned text: absolute values, the share of the ceiling, how many times each peer. */
export function formatTable(rows: readonly Row[]): string {
  const peers = [...new Set(rows.flatMap((row) => Object.keys(row.peers)))];
  const hasCeiling = rows.some((row) => row.ceiling !== null);
  const header = [
    rows[0]!.table,
    "ours",
    "unit",
    ...(hasCeiling ? ["ceiling", "of it"] : []),
    ...peers.flatMap((peer) => [peer, "×"]),
  ];
  const body = rows.map((row) => [
    row.row,
    digits(row.ours),
    row.unit,
    ...(hasCeiling ? ceilingCells(row) : []),
    ...peers.flatMap((peer) => {
      const value = row.peers[peer];
      return value === undefined ? ["–", ""] : [digits(value), digits(advantage(row, value))];
    }),
  ]);
  return alignColumns([header, ...body]);
}

/** Lines of cells as text: the first column to the left, the others to the right. */
export function alignColumns(lines: readonly (readonly string[])[]): string {
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines
    .map((cells) =>
      cells
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** What was measured on what, when: one line above the tables. */
export function describeRun(runtime: string, binary: string): string {
  return `${describeMachine(runtime)}, ${binary} binary, one thread`;
}

/** When, on which processor, in which runtime. */
export function describeMachine(runtime: string): string {
  const cpu = `${cpus().length} × ${cpus()[0]?.model.trim() ?? arch()}`;
  return `${new Date().toISOString().slice(0, 10)}, ${cpu}, ${runtime}`;
}

/** `document` with `text` between `<!-- results: table -->` and `<!-- end -->`. */
export function insertTable(document: string, table: string, text: string): string {
  const place = new RegExp(`(<!-- results: ${table} -->)[\\s\\S]*?(<!-- end -->)`);
  return document.replace(place, (_all, start, end) => `${start}\n\n${text}\n\n${end}`);
}

/** Rows in order, a table for each name among them. */
export function formatTables(rows: readonly Row[]): string {
  const names = [...new Set(rows.map(({ table }) => table))];
  return names.map((name) => formatTable(rows.filter(({ table }) => table === name))).join("\n\n");
}

const isSmallerBetter = ({ unit }: Row): boolean => ["ms", "MB", "%"].includes(unit);

function ceilingCells(row: Row): string[] {
  return row.ceiling === null ? ["–", ""] : [digits(row.ceiling), shareOfCeiling(row)];
}

/** "87 %"; nothing where there is no ceiling. */
export function shareOfCeiling(row: Row): string {
  return row.ceiling === null ? "" : `${Math.round(100 * advantage(row, row.ceiling))} %`;
}

/** How many times better ours is. */
function advantage(row: Row, other: number): number {
  return isSmallerBetter(row) ? other / row.ours : row.ours / other;
}

export function digits(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
