/**
 * What becomes of the model files in ../shared/wild: for each whether it is understood, what its float export and its
 * quantized one have of signal to noise against the file itself (ONNX, by onnxruntime) or against our float network, or
 * why it is refused.
 *
 * npm run bench:wild -- [--only NAME] [--float] [-- -w 8 -a 8]
 */
import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { decodeImage } from "../../src/formats/images/decode.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { compareFiles, loads, type Picture } from "./compare.ts";

const PACKED = new URL("../../../dist/index.js", import.meta.url);
const COMMAND = new URL("../../../dist/cli.js", import.meta.url);

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    folder: { type: "string", default: "../shared/wild" },
    only: { type: "string" },
    float: { type: "boolean", default: false },
  },
});
/** What `genie-wasm quantize` gets behind the file: `-- -- --preset fast`. */
const FLAGS = positionals.length > 0 ? positionals : ["-w", "8", "-a", "8"];

const { exportOnnx, findInputRange, loadModel } = (await import(
  PACKED.href
)) as typeof import("../../src/index.ts");
const pictures = await readPictures();
const outputs = await mkdtemp(join(tmpdir(), "wild-"));

/** Models in the folder: files, and folders with a model.json. */
async function findModels(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const name of (await readdir(folder)).sort()) {
    const path = join(folder, name);
    if (/\.(onnx|h5|hdf5|keras|tflite)$/.test(name)) found.push(path);
    else if ((await stat(path)).isDirectory()) {
      const inside = (await readdir(path)).filter(
        (file) => file.endsWith(".json") && file !== "metadata.json",
      );
      found.push(...(inside.includes("model.json") ? [path] : inside.map((file) => join(path, file))));
    }
  }
  return found;
}

/** The first pictures of ../shared/data/imagenet. */
async function readPictures(): Promise<Picture[]> {
  const folder = "../shared/data/imagenet";
  const names = (await readdir(folder)).sort().slice(0, 4);
  return Promise.all(
    names.map(async (name) => {
      const { width, height, data } = await decodeImage(await readFile(join(folder, name)));
      return { width, height, data: Uint8Array.from(data) };
    }),
  );
}

async function judge(path: string): Promise<string> {
  const file = (await stat(path)).isDirectory() ? join(path, "model.json") : path;
  const bytes = await readFile(file);
  const graph = await loadModel(bytes, { readShard: (name) => readFile(join(dirname(file), name)) });
  const original = path.endsWith(".onnx") && (await loads(bytes)) ? bytes : exportOnnx(graph);
  const float = await decibels(original, exportOnnx(graph), graph);
  const tail = graph.tail ? `, ends at ${graph.tail.reasons.join("; ").slice(0, 200)}` : "";
  if (flags.float) return `float ${float}${tail}`;
  const output = join(outputs, `${basename(path)}.onnx`);
  const said = await run(["quantize", path, ...FLAGS, "-o", output, "--quiet"]);
  return `float ${float}, quantized ${await decibels(original, await readFile(output), graph)}${tail}${said}`;
}

/** What the command said beside its table. @throws Error with its last words where it refused. */
async function run(args: string[]): Promise<string> {
  const child = spawn(process.execPath, [COMMAND.pathname, ...args], { stdio: ["ignore", "ignore", "pipe"] });
  let complaint = "";
  child.stderr.on("data", (text) => {
    complaint += text;
  });
  const code = await new Promise((resolve) => child.on("close", resolve));
  if (code !== 0)
    throw Object.assign(new Error(complaint.trim().split("\n").at(-1)), { code: `exit ${code}` });
  const notes = complaint.trim();
  return notes ? ` | ${notes.replaceAll("\n", " | ").slice(0, 400)}` : "";
}

async function decibels(original: Uint8Array, written: Uint8Array, graph: Graph): Promise<string> {
  const { mean, std } = await findInputRange(graph).catch(() => ({ mean: [0.5], std: [0.25] }));
  const figures = await compareFiles(original, written, graph, { pictures, mean, std });
  return figures.map((value) => value.toFixed(1)).join("/");
}

for (const path of await findModels(flags.folder)) {
  if (flags.only && !path.includes(flags.only)) continue;
  const started = performance.now();
  const verdict = await judge(path).catch((error: Error & { code?: string }) =>
    error.code ? `refused (${error.code}): ${error.message.slice(0, 300)}` : `BUG ${error.stack}`,
  );
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  console.log(`${basename(path).padEnd(32)} ${seconds.padStart(4)} s  ${verdict}`);
}
