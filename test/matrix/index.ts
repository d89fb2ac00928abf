/**
 * `npm run test:matrix [-- --images N --binary NAME --workers N --runtime NAME --demo --json]`: ResNet-20 at W4A4 `fast`,
 * with the packed package, in every runtime (whose name begins so) × binary × number of workers: time, accuracy on the first N
 * test images and SHA-256 of the weights.
 * `--demo` takes the small model of this repository instead. Exit code 1 if runtimes disagree on a bit.
 */
import { parseArgs } from "node:util";
import { formatTable } from "../../src/report/format.ts";
import { installPackage } from "./consumer.ts";
import { demoTask, hasResnet20, resnet20Task } from "./jobs.ts";
import { BINARIES, type Cell, differences, runCells, WORKERS } from "./matrix.ts";
import { openRuntimes } from "./runtimes/index.ts";

const { values: flags } = parseArgs({
  options: {
    images: { type: "string", default: "5000" },
    binary: { type: "string", multiple: true, default: [...BINARIES] },
    workers: { type: "string", multiple: true, default: WORKERS.map(String) },
    runtime: { type: "string", multiple: true, default: [""] },
    demo: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
if (!flags.demo && !hasResnet20()) throw new Error("ResNet-20 is missing: ../shared/zoo and ../shared/data");

const consumer = await installPackage();
const runtimes = await openRuntimes(consumer);
try {
  const task = flags.demo ? await demoTask(consumer) : await resnet20Task(consumer, Number(flags.images));
  const asked = runtimes.filter(({ name }) => flags.runtime.some((text) => name.startsWith(text)));
  if (asked.length === 0) {
    throw new Error(
      `runtimes are ${runtimes.map(({ name }) => name).join(", ")}, not ${flags.runtime.join(", ")}`,
    );
  }
  const cells: Cell[] = [];
  for (const binary of BINARIES.filter((name) => flags.binary.includes(name))) {
    for (const workers of flags.workers.map(Number)) {
      const job = { ...task, binary, workers };
      cells.push(...(await runCells(asked, job, (cell) => console.error(row(cell).join("  ")))));
    }
  }
  const disagreements = differences(cells);
  if (flags.json) {
    console.log(JSON.stringify({ cells, disagreements }, null, 2));
  } else {
    const header = ["runtime", "binary", "workers", "seconds", "top-1", "images", "weights", "file", "pause"];
    console.log(formatTable(header, cells.map(row)));
    console.log(disagreements.join("\n") || "every runtime gives the same bits");
  }
  process.exitCode = disagreements.length > 0 ? 1 : 0;
} finally {
  await Promise.all(runtimes.map((runtime) => runtime.close()));
  await consumer.remove();
}

function row({
  runtime,
  binary,
  workers,
  seconds,
  top1,
  count,
  weights,
  file,
  longestPause,
}: Cell): string[] {
  return [
    runtime,
    binary,
    String(workers),
    seconds.toFixed(1),
    `${(100 * top1).toFixed(2)} %`,
    String(count),
    weights.slice(0, 12),
    file.slice(0, 12),
    `${longestPause.toFixed(0)} ms`,
  ];
}
