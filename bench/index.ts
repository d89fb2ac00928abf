/** The benchmark program: `npm run bench -- --help`. */
import { readFile, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { isMainThread } from "node:worker_threads";
import { compareRuns, readRuns } from "./compare.ts";
import { answerCase, environment } from "./environments/node.ts";
import type { Row } from "./harness.ts";
import { describeRun, formatTables, insertTable } from "./report.ts";
import { measureInChromium, RUNTIMES, type RuntimeName, runElsewhere } from "./runtimes.ts";
import { type Heard, measureTables, type Request, TABLE_NAMES } from "./tables.ts";

const HELP = `npm run bench -- [options]

  --table NAME      only this table; may be repeated: ${TABLE_NAMES.join(", ")}
  --row TEXT        only rows whose name contains the text, in any case; may be repeated
  --binary NAME     baseline or relaxed; default: relaxed where the engine has it
  --runtime NAME    ${RUNTIMES.join(", ")}; default: node, the one that was called
  --json FILE       writes every row as {"table", "row", "unit", "ours", "peers", "ceiling"}
  --readme FILE     puts the tables into their places in the document
  --python COMMAND  the Python that has torch, for the peer of whole iterations; default: python3
  --compare FILE…   measures nothing: what --json wrote in several runs, side by side, a column a file
  --help            this`;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    table: { type: "string", multiple: true },
    row: { type: "string", multiple: true },
    binary: { type: "string" },
    runtime: { type: "string", default: "node" },
    json: { type: "string" },
    readme: { type: "string" },
    python: { type: "string", default: "python3" },
    compare: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

async function main(): Promise<void> {
  if (options.help) return console.log(HELP);
  const { table: tables, row: rows, binary, python, runtime } = options;
  const isKnown = (names: readonly string[], name: string): boolean => names.includes(name);
  if (
    !(tables ?? []).every((name) => isKnown(TABLE_NAMES, name)) ||
    !isKnown(RUNTIMES, runtime) ||
    !isKnown(["baseline", "relaxed"], binary ?? "relaxed") ||
    positionals.length > 0 !== options.compare
  ) {
    throw new Error(HELP);
  }
  if (options.compare) {
    const text = compareRuns(await readRuns(positionals), rows);
    console.log(text);
    return intoReadme("runtimes", text);
  }
  const request = { tables, rows, binary: binary as Request["binary"], python };
  switch (runtime as RuntimeName) {
    case "node":
      return measureTables(request, environment, reporter());
    case "chromium":
      return measureInChromium(request, reporter());
    case "node24":
    case "deno":
      process.exitCode = await runElsewhere(runtime as "node24" | "deno", process.argv.slice(2));
  }
}

/** Prints and writes what is heard as it comes: a run takes long enough to be broken off. */
function reporter(): (heard: Heard) => Promise<void> {
  let run = "";
  const all: Row[] = [];
  return async (heard) => {
    switch (heard.kind) {
      case "start":
        run = describeRun(heard.runtime, heard.binary);
        console.log(run);
        break;
      case "row":
        // The table itself is printed when its columns' widths are known.
        process.stderr.write(`${heard.row.table}: ${heard.row.row}\n`);
        all.push(heard.row);
        if (options.json) await writeFile(options.json, `${JSON.stringify(all, null, 1)}\n`);
        break;
      case "note":
        console.log(`\n${heard.text}`);
        break;
      case "table": {
        const text = formatTables(heard.rows);
        console.log(`\n${text}`);
        await intoReadme(heard.name, `${run}\n\n\`\`\`\n${text}\n\`\`\``);
      }
    }
  };
}

async function intoReadme(table: string, text: string): Promise<void> {
  const { readme } = options;
  if (readme) await writeFile(readme, insertTable(await readFile(readme, "utf8"), table, text));
}

await (isMainThread ? main() : answerCase());
