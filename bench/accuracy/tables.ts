/** Rows as tables in Markdown: quality, and the two ablations. */
import { insertTable } from "../report.ts";
import type { Row } from "./rows.ts";

/** Rows that differ in method and seed only, so that they can be compared. */
interface Group {
  model: string;
  bits: string;
  /** Images × iterations of the synthesis. */
  synthesis: string;
  /** Reconstruction iterations a block. */
  steps: string;
  /** Mean and spread of the seeds, by method. */
  results: Map<string, Result>;
}

interface Result {
  /** Mean, in percent. */
  mean: number;
  /** Half of what is between the best and the worst seed, in points. */
  spread: number;
  seeds: number;
}

type Column = [heading: string, cell: (group: Group) => string];

const MODEL: Column = ["model", ({ model }) => model];
const BITS: Column = ["bits", ({ bits }) => `W${bits.replace("x", "A")}`];
const BUDGET: Column = [
  "images × iterations, iterations a block",
  ({ synthesis, steps }) => `${synthesis}, ${steps}`,
];
const of = (heading: string, method: string): Column => [
  heading,
  ({ results }) => (results.has(method) ? percent(results.get(method)!) : "–"),
];
const difference = (heading: string, method: string, other: string): Column => [
  heading,
  ({ results }) => {
    const [one, two] = [results.get(method), results.get(other)];
    return one && two ? signed(one.mean - two.mean) : "–";
  },
];

/** Each table's columns, and the methods of which a group must have one to be in it. */
const TABLES: Readonly<Record<string, { needs: string[]; columns: Column[] }>> = {
  quality: {
    needs: ["few-shot", "zero-shot"],
    columns: [
      MODEL,
      BITS,
      BUDGET,
      of("float", "float"),
      of("nearest", "nearest"),
      of("few-shot", "few-shot"),
      of("zero-shot", "zero-shot"),
      difference("zero − few", "zero-shot", "few-shot"),
      difference("zero − float", "zero-shot", "float"),
    ],
  },
  rounding: {
    needs: ["adaround", "published"],
    columns: [
      MODEL,
      BITS,
      BUDGET,
      of("nearest", "nearest"),
      of("AdaRound (steps frozen)", "adaround"),
      of("GENIE-M as published", "published"),
      of("GENIE-M, extended", "zero-shot"),
    ],
  },
  synthesis: {
    needs: ["generator", "pixels", "no-swing", "generator-no-swing", "pixels-no-swing"],
    columns: [
      MODEL,
      BITS,
      BUDGET,
      of("GENIE, swing", "zero-shot"),
      of("GENIE, plain", "no-swing"),
      of("generator, swing", "generator"),
      of("generator, plain", "generator-no-swing"),
      of("pixels, swing", "pixels"),
      of("pixels, plain", "pixels-no-swing"),
    ],
  },
};

/** The tables that there are rows for, by name. */
export function formatTables(rows: readonly Row[]): Map<string, string> {
  const groups = groupRows(rows);
  const tables = Object.entries(TABLES).map(([name, { needs, columns }]): [string, string] => {
    const shown = groups.filter(({ results }) => needs.some((method) => results.has(method)));
    return [name, shown.length > 0 ? formatTable(columns, shown) : ""];
  });
  return new Map(tables.filter(([, table]) => table));
}

/** `document` with each table in its place. */
export function insertTables(document: string, tables: ReadonlyMap<string, string>): string {
  return [...tables].reduce((text, [name, table]) => insertTable(text, name, table), document);
}

/**
 * A group for every model, bits, synthesis and steps of a method that learns from synthetic images. What does without
 * one of these joins every group that it is the same in: float all of its model, few-shot those of its steps,
 * nearest those of its images.
 */
function groupRows(rows: readonly Row[]): Group[] {
  const parsed = rows.map((row) => ({ ...row, ...parseBudget(row.budget) }));
  const groups = new Map<string, Group>();
  for (const { model, bits, synthesis, steps } of parsed) {
    if (!synthesis || synthesis === "real" || steps === "0") continue;
    groups.set([model, bits, synthesis, steps].join(), { model, bits, synthesis, steps, results: new Map() });
  }
  for (const group of groups.values()) {
    const mine = parsed.filter(
      (row) =>
        row.model === group.model &&
        (row.method === "float" ||
          (row.bits === group.bits &&
            (row.steps === group.steps || row.method === "nearest") &&
            (row.synthesis === group.synthesis || row.method === "few-shot"))),
    );
    for (const method of new Set(mine.map((row) => row.method))) {
      group.results.set(
        method,
        summarize(mine.filter((row) => row.method === method).map((row) => row.top1)),
      );
    }
  }
  return [...groups.values()];
}

function parseBudget(budget: string): { synthesis: string; steps: string } {
  const [synthesis = "", steps = ""] = budget.split(", ");
  return { synthesis, steps };
}

function summarize(shares: readonly number[]): Result {
  const mean = (100 * shares.reduce((sum, share) => sum + share, 0)) / shares.length;
  return { mean, spread: 50 * (Math.max(...shares) - Math.min(...shares)), seeds: shares.length };
}

function formatTable(columns: readonly Column[], groups: readonly Group[]): string {
  const lines = [
    columns.map(([heading]) => heading),
    columns.map(() => "---"),
    ...groups.map((group) => columns.map(([, cell]) => cell(group))),
  ];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function percent({ mean, spread, seeds }: Result): string {
  return seeds > 1 ? `${mean.toFixed(2)} ± ${spread.toFixed(2)}` : mean.toFixed(2);
}

function signed(points: number): string {
  return `${points < 0 ? "−" : "+"}${Math.abs(points).toFixed(2)}`;
}
