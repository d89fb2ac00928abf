/** `npm run fuzz:formats [files a format] [first seed]`: damaged files by the hundred thousand; what it prints is a report. */
import { existsSync, readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { type GraphModel, smallGraphModel, smallTflite } from "../tensorflow/fixtures.ts";
import { fuzzGraphModel, fuzzTflite, type Outcome } from "./trial.ts";

const [count = 200_000, firstSeed = 1] = process.argv.slice(2).map(Number);

/** Beside the repository, where the test files of others lie. */
const WILD = new URL("../shared/wild/", pathToFileURL(`${process.cwd()}/`));

/** Wild files are slower: they get a part of the runs. */
const WILD_SHARE = 0.02;

const tflite = (name: string) => new Uint8Array(readFileSync(new URL(name, WILD)));

function graphModel(json: string, weights: string): GraphModel {
  return { json: JSON.parse(readFileSync(new URL(json, WILD), "utf8")), weights: tflite(weights) };
}

async function report(what: string, run: (count: number) => Promise<Outcome>, share = 1): Promise<void> {
  const files = Math.ceil(count * share);
  const { taken, refused, milliseconds, elementsPerByte } = await run(files);
  const rss = Math.round(process.resourceUsage().maxRSS / 1024);
  console.log(
    `${what}: ${files} files, ${taken} taken, ${refused} refused, slowest ${milliseconds.toFixed(0)} ms, ` +
      `${elementsPerByte.toFixed(2)} elements a byte at most, ${rss} MiB resident at most`,
  );
}

await report("TFLite, small", (n) => fuzzTflite(smallTflite(), n, firstSeed));
await report("TFJS graph model, small", (n) => fuzzGraphModel(smallGraphModel(), n, firstSeed));
if (existsSync(WILD)) {
  for (const name of ["cifar100edge.tflite", "person_detect.tflite"]) {
    await report(name, (n) => fuzzTflite(tflite(name), n, firstSeed), WILD_SHARE);
  }
  for (const name of ["emotion", "blazeface"]) {
    const model = graphModel(`tfjs_human/${name}.json`, `tfjs_human/${name}.bin`);
    await report(name, (n) => fuzzGraphModel(model, n, firstSeed), WILD_SHARE);
  }
}
