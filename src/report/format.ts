/** Numbers and tables as people read them. */
import { printable } from "../printable.ts";

/** Characters of a cell: names come from files and may be of any length, and lists hold several. */
const MAX_CELL = 500;

const UNITS = ["", "k", "M", "G", "T"];

/** 1234567 → "1.23 M": three significant digits and a decimal unit. */
export function formatCount(value: number): string {
  // 999.5 would round to four digits.
  const power = UNITS.findIndex((_, index) => value / 1000 ** index < 999.5);
  return power === 0 ? String(value) : `${(value / 1000 ** power).toPrecision(3)} ${UNITS[power]}`;
}

/** 1112493 → "1.11 MB". */
export function formatBytes(bytes: number): string {
  const count = formatCount(bytes);
  return count.includes(" ") ? `${count}B` : `${count} B`;
}

/** Seconds as "0.4 s", "42 s", "1:23", "2:03:04". */
export function formatSeconds(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const two = (value: number) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** 0.8102 → "81.02 %". */
export function formatShare(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}

/** A loss with four significant digits. */
export function formatLoss(loss: number): string {
  return loss !== 0 && (Math.abs(loss) < 1e-3 || Math.abs(loss) >= 1e6)
    ? loss.toExponential(2)
    : loss.toPrecision(4);
}

/**
 * Columns aligned under their headings: text to the left, columns whose cells are numbers to the right.
 *
 * @returns Lines without a line break at the end.
 */
export function formatTable(headings: readonly string[], contents: readonly (readonly string[])[]): string {
  const rows = contents.map((row) => row.map((cell) => printable(cell, MAX_CELL)));
  const widths = headings.map((heading, column) =>
    rows.reduce((width, row) => Math.max(width, row[column]!.length), heading.length),
  );
  const isNumeric = headings.map(
    (_, column) => rows.length > 0 && rows.every((row) => /^([-+]?\d.*)?$/.test(row[column]!)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) =>
        isNumeric[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
      )
      .join("  ")
      .trimEnd();
  return [line(headings), line(widths.map((width) => "─".repeat(width))), ...rows.map(line)].join("\n");
}
