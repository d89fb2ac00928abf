/** Damaged files given to the readers: each is taken, or refused with a typed error of one line, soon. */
import { GenieError } from "../../../src/errors.ts";
import { importTfjs } from "../../../src/formats/tfjs/importTfjs.ts";
import { importTflite } from "../../../src/formats/tflite/import.ts";
import type { Graph } from "../../../src/ir/graph.ts";
import { validate } from "../../../src/ir/validate.ts";
import { isPrintable } from "../../../src/printable.ts";
import type { GraphModel } from "../tensorflow/fixtures.ts";
import { damagedBytes, damagedJson, randomFrom } from "./mutations.ts";

export interface Outcome {
  taken: number;
  refused: number;
  /** The longest that one file took. */
  milliseconds: number;
  /** The most elements of constants that a graph had a byte of its file. */
  elementsPerByte: number;
}

/** Long for a file of kilobytes, whatever it asks for. */
const MAX_MILLISECONDS = 10_000;

export async function fuzz(
  count: number,
  firstSeed: number,
  read: (seed: number) => { bytes: number; graph: Promise<Graph> },
): Promise<Outcome> {
  const outcome: Outcome = { taken: 0, refused: 0, milliseconds: 0, elementsPerByte: 0 };
  for (let seed = firstSeed; seed < firstSeed + count; seed++) {
    const start = performance.now();
    try {
      const { bytes, graph } = read(seed);
      const found = await graph;
      validate(found);
      outcome.taken++;
      const elements = [...found.constants.values()].reduce((sum, { data }) => sum + data.length, 0);
      outcome.elementsPerByte = Math.max(outcome.elementsPerByte, elements / bytes);
    } catch (error) {
      if (!(error instanceof GenieError) || !isPrintable(error.message)) {
        throw new Error(`seed ${seed}: ${error instanceof Error ? error.stack : error}`, { cause: error });
      }
      outcome.refused++;
    }
    const took = performance.now() - start;
    if (took > MAX_MILLISECONDS) throw new Error(`seed ${seed}: ${took} ms`);
    outcome.milliseconds = Math.max(outcome.milliseconds, took);
  }
  return outcome;
}

export function fuzzTflite(file: Uint8Array, count: number, firstSeed = 1): Promise<Outcome> {
  return fuzz(count, firstSeed, (seed) => {
    const bytes = damagedBytes(file, randomFrom(seed));
    return { bytes: bytes.length, graph: Promise.resolve().then(() => importTflite(bytes)) };
  });
}

/** Mostly damaged JSON, sometimes damaged text or weights. */
export function fuzzGraphModel(
  { json, weights }: GraphModel,
  count: number,
  firstSeed = 1,
): Promise<Outcome> {
  const plain = new TextEncoder().encode(JSON.stringify(json));
  return fuzz(count, firstSeed, (seed) => {
    const random = randomFrom(seed);
    const kind = random();
    const bytes =
      kind < 0.85
        ? new TextEncoder().encode(JSON.stringify(damagedJson(json, random)))
        : kind < 0.95
          ? damagedBytes(plain, random)
          : plain;
    const shard = kind < 0.95 ? weights : damagedBytes(weights, random);
    return { bytes: bytes.length + shard.length, graph: importTfjs(bytes, async () => shard) };
  });
}
