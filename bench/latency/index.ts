/**
 * What quantized files cost in onnxruntime: CPU time of an inference of one image on one thread.
 *
 *   npm run bench:latency -- [--model resnet20]… [--onnxruntime-node FOLDER] [--before DIST] [--document FILE.md]
 *
 * The files are made here, with a budget that is enough for the time they take and not for accuracy. Models by name,
 * as in bench/accuracy. FOLDER is one with onnxruntime-node in its node_modules: without it only onnxruntime-web is asked.
 * DIST is the index.js of another build, whose files are measured in turns with ours. The table goes into its place in
 * the document.
 */
import { readFile, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import type { ExportOptions, Graph, Images, ReconstructionOptions } from "../../src/index.ts";
import { MODELS } from "../accuracy/models.ts";
import { environment } from "../environments/node.ts";
import { measure } from "../harness.ts";
import { describeMachine, digits, insertTable } from "../report.ts";
import { openRuntimes } from "./runtimes.ts";

/** As seen from the bundle in build/bench/latency/. */
const PACKED = new URL("../../../dist/index.js", import.meta.url);

type Package = Pick<typeof import("../../src/index.ts"), "exportOnnx" | "loadModel" | "openSession">;
type Options = Pick<ReconstructionOptions, "weightBits" | "activationBits" | "symmetricWeights"> &
  ExportOptions;

const NETWORKS: Readonly<Record<string, string>> = {
  mobilenet: "MobileNetV1 0.75, 224²",
  resnet20: "ResNet-20, 32²",
  kws: "DS-CNN, 49 × 10",
};

/** Files of each network, by what is said of them: as they are unless asked otherwise, of every build, */
const FILES: Readonly<Record<string, Options>> = {
  W8A8: { weightBits: 8, activationBits: 8 },
  W4A8: { weightBits: 4, activationBits: 8 },
  W4A4: { weightBits: 4, activationBits: 4 },
};

/** and of this one as they are with flags. */
const ASKED_FILES: Readonly<Record<string, Options>> = {
  "W8A8 `--no-symmetric`": { weightBits: 8, activationBits: 8, symmetricWeights: false },
  "W4A4 `--storage int4`": { weightBits: 4, activationBits: 4, weightStorage: "int4" },
};

/** Images that ranges are searched on. */
const IMAGES = 4;

const { values: flags } = parseArgs({
  options: {
    model: { type: "string", multiple: true, default: Object.keys(NETWORKS) },
    "onnxruntime-node": { type: "string" },
    before: { type: "string" },
    document: { type: "string" },
  },
});

const builds: [name: string, build: Package][] = [["", await load(PACKED.href)]];
if (flags.before) builds.push([", before", await load(flags.before)]);
const runtimes = await openRuntimes(flags["onnxruntime-node"]);

const head = ["network", "file", "kB", ...runtimes.flatMap(({ name }) => [`${name}, ms`, "× float"])];
const lines: string[][] = [head, head.map((_, column) => (column < 2 ? "---" : "--:"))];
for (const name of flags.model) {
  const files = await filesOf(name);
  const times = [];
  for (const runtime of runtimes) {
    const opened = new Map<string, () => Promise<void>>();
    for (const [label, { bytes, shape }] of files) {
      try {
        opened.set(label, await runtime.open(bytes, shape));
      } catch (error) {
        // Files of another build may be such that a runtime refuses them: that is a result.
        console.warn(`${runtime.name} refuses ${name} ${label}: ${error}`);
      }
    }
    const settings = { environment, note: console.warn };
    times.push(await measure<string>(settings, Object.fromEntries(opened)));
  }
  for (const [label, { bytes }] of files) {
    const cells = times.flatMap(({ [label]: time, float }) =>
      time === undefined ? ["refused", ""] : [digits(time), (float! / time).toFixed(2)],
    );
    lines.push([NETWORKS[name]!, label, (bytes.length / 1000).toFixed(0), ...cells]);
    console.log(lines.at(-1)!.join("  "));
  }
}
const table = `${describeMachine(environment.name)}\n\n${lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n")}`;
if (flags.document) {
  await writeFile(flags.document, insertTable(await readFile(flags.document, "utf8"), "latency", table));
}

function load(url: string): Promise<Package> {
  return import(url);
}

/** The float file and the quantized ones of every build, with the shape that they take. */
async function filesOf(name: string): Promise<Map<string, { bytes: Uint8Array; shape: number[] }>> {
  const files = new Map<string, { bytes: Uint8Array; shape: number[] }>();
  for (const [suffix, { exportOnnx, loadModel, openSession }] of builds) {
    const graph = await loadModel(MODELS[name]!.url);
    const [, height, width, channels] = graph.inputs[0]!.shape as [number, number, number, number];
    const shape = [1, channels, height, width];
    if (!suffix) files.set("float", { bytes: exportOnnx(graph), shape });
    const session = await openSession({ workers: 1 });
    for (const [label, { weightStorage, ...bits }] of Object.entries(
      suffix ? FILES : { ...FILES, ...ASKED_FILES },
    )) {
      const { model } = await session.reconstruct(graph, noise(graph), { ...bits, iterations: 0 });
      files.set(`${label}${suffix}`, {
        bytes: exportOnnx(model, weightStorage ? { weightStorage } : {}),
        shape,
      });
    }
    session.close();
  }
  return files;
}

/** Values in [−1, 1) that go up and down across each image, the same on every run. */
function noise(graph: Graph): Images {
  const shape = [IMAGES, ...graph.inputs[0]!.shape.slice(1)];
  const size = shape.reduce((product, length) => product * length, 1);
  let state = 1;
  const data = Float32Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
  return { shape, data };
}
