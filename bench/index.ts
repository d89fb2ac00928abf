/** The benchmark program: `npm run bench -- --help`. */
import { readFile, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { isMainThread } from "node:worker_threads";
import { initializeKernels } from "../src/kernels/heap.ts";
import { convolutions } from "./convolutions.ts";
import { depthwise } from "./depthwise.ts";
import { fused } from "./fused.ts";
import { gemm } from "./gemm.ts";
import type { Row, Table } from "./harness.ts";
import { runCase } from "./iterationCase.ts";
import { iterations } from "./iterations.ts";
import { peak } from "./peak.ts";
import { describeRun, formatTables, insertTable } from "./report.ts";

const TABLES: readonly Table[] = [peak, gemm, convolutions, depthwise, fused, iterations];

const HELP = `npm run bench -- [options]

  --table NAME      only this table; may be repeated: ${TABLES.map(({ name }) => name).join(", ")}
  --row TEXT        only rows whose name contains the text, in any case; may be repeated
  --binary NAME     baseline or relaxed; default: relaxed where the engine has it
  --json FILE       writes every row as {"table", "row", "unit", "ours", "peers", "ceiling"}
  --readme FILE     puts the tables into their places in the document
  --python COMMAND  the Python that has torch, for the peer of whole iterations; default: python3
  --help            this`;

async function main(): Promise<void> {
  const { values: options } = parseArgs({
    options: {
      table: { type: "string", multiple: true },
      row: { type: "string", multiple: true },
      binary: { type: "string" },
      json: { type: "string" },
      readme: { type: "string" },
      python: { type: "string", default: "python3" },
      help: { type: "boolean" },
    },
  });
  if (options.help) {
    console.log(HELP);
    return;
  }
  const unknown = options.table?.filter((name) => !TABLES.some((table) => table.name === name)) ?? [];
  if (unknown.length > 0 || (options.binary && !["baseline", "relaxed"].includes(options.binary))) {
    const names = TABLES.map(({ name }) => name).join(", ");
    throw new Error(`tables are ${names}; binaries are baseline and relaxed`);
  }
  const wanted = options.binary as "baseline" | "relaxed" | undefined;
  const binary = await initializeKernels(wanted ? { binary: wanted } : {});
  const texts = options.row?.map((text) => text.toLowerCase());
  const settings = {
    binary,
    python: options.python,
    wants: (row: string) => texts?.some((text) => row.toLowerCase().includes(text)) ?? true,
  };
  const run = describeRun(settings);
  console.log(run);
  const all: Row[] = [];
  for (const table of TABLES.filter(({ name }) => options.table?.includes(name) ?? true)) {
    const rows: Row[] = [];
    for await (const row of table.rows(settings)) {
      rows.push(row);
      // Rows take seconds each; the table itself is printed when its columns' widths are known.
      process.stderr.write(`${row.table}: ${row.row}\n`);
    }
    if (rows.length === 0) continue;
    all.push(...rows);
    console.log(`\n${formatTables(rows)}`);
    // After every table: a run takes long enough to be broken off.
    if (options.json) await writeFile(options.json, `${JSON.stringify(all, null, 1)}\n`);
    if (options.readme) {
      await writeFile(
        options.readme,
        insertTable(await readFile(options.readme, "utf8"), run, table.name, rows),
      );
    }
  }
}

await (isMainThread ? main() : runCase());
