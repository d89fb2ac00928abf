import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { addRow, type Row, readRows } from "../../bench/accuracy/rows.ts";
import { formatTables, insertTables } from "../../bench/accuracy/tables.ts";

const row = (method: string, budget: string, top1: number, seed = 0, bits = "4x4"): Row => ({
  model: "net",
  bits,
  method,
  seed,
  budget,
  top1,
  seconds: 1,
});
const rows = [
  row("float", "", 0.8, 0, "float"),
  row("nearest", "64 × 10, 0", 0.5),
  row("zero-shot", "64 × 10, 300", 0.78),
  row("zero-shot", "64 × 10, 300", 0.76, 1),
  row("few-shot", "real, 300", 0.79),
  row("few-shot", "real, 1000", 0.795),
];
const lines = (table: string | undefined): string[][] =>
  (table ?? "").split("\n").map((line) => line.slice(2, -2).split(" | "));

test("a row a budget: what needs no images or steps joins every budget, what has others does not", () => {
  const tables = formatTables(rows);
  expect([...tables.keys()]).toEqual(["quality"]);
  expect(lines(tables.get("quality")).slice(2)).toEqual([
    ["net", "W4A4", "64 × 10, 300", "80.00", "50.00", "79.00", "77.00 ± 1.00", "−2.00", "−3.00"],
  ]);
});

test("an ablation shows the budgets that it has rows of", () => {
  const ablated = [...rows, row("pixels", "64 × 10, 300", 0.7), row("zero-shot", "9 × 9, 300", 0.1)];
  const synthesis = lines(formatTables(ablated).get("synthesis"));
  expect(synthesis.length).toBe(3);
  expect(synthesis[2]).toContain("70.00");
  expect(synthesis[2]).not.toContain("10.00");
});

test("tables go into their places", () => {
  const document = "<!-- results: quality -->\n<!-- end -->\n<!-- results: rounding -->\nkept\n<!-- end -->";
  const filled = insertTables(document, formatTables(rows));
  expect(filled).toContain("| net | W4A4 |");
  expect(filled).toContain("rounding -->\nkept\n");
});

test("rows are added to what others have written meanwhile", async () => {
  const folder = await mkdtemp(join(tmpdir(), "genie-rows-"));
  const file = join(folder, "rows.json");
  try {
    expect(await readRows(file)).toEqual([]);
    await addRow(file, rows[0]!);
    await writeFile(file, JSON.stringify([rows[0], rows[1]]));
    expect(await addRow(file, rows[2]!)).toEqual(rows.slice(0, 3));
    expect(await readRows(file)).toEqual(rows.slice(0, 3));
  } finally {
    await rm(folder, { recursive: true });
  }
});
