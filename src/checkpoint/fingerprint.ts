/** What tells one run from another: a hash of all that decides its result, and words for people. */
import { bytesToHex } from "@noble/hashes/utils.js";
import { encode } from "cborg";
import type { Images } from "../images.ts";
import type { Graph } from "../ir/graph.ts";
import type { Arithmetic } from "../kernels/binary.ts";
import type { ReconstructionSettings } from "../quantization/options.ts";
import type { SynthesisSettings } from "../synthesis/options.ts";
import { VERSION } from "../version.ts";
import { createHash } from "./hash.ts";

/** Whose a checkpoint is. */
export interface RunIdentity {
  /** Equal for runs that end with the same bits. */
  fingerprint: string;
  /** For people: model, bits, seed, budget. */
  description: string;
}

/** All that decides a run's result beside the model. */
export interface RunSettings {
  synthesis?: SynthesisSettings | undefined;
  reconstruction?: ReconstructionSettings | undefined;
  /** Calibration images that were given. */
  data?: Images | undefined;
  /** Of the machine: the other kind of processor would go on with other bits. */
  arithmetic: Arithmetic;
  /** Members that reconstruct together. */
  workers: number;
}

/** The identity of a run on `graph`. */
export async function identifyRun(graph: Graph, settings: RunSettings): Promise<RunIdentity> {
  return {
    fingerprint: await fingerprintOf(graph, { ...settings }),
    description: describe(graph, settings),
  };
}

/**
 * SHA-256, in hexadecimal, of this package's version, the graph (nodes and the constants' bits) and `what`: plain
 * values, arrays, objects, maps and typed arrays. The order of an object's or a map's keys does not count, nor do
 * keys that are undefined.
 *
 * Lets the event loop run at least every 50 ms.
 */
export async function fingerprintOf(graph: Graph, what: Record<string, unknown>): Promise<string> {
  const hash = createHash();
  await absorb({ version: VERSION, graph, what }, hash.update);
  return bytesToHex(hash.digest());
}

/**
 * Feeds a value to `eat` so that different values give different bytes: each part is preceded by what it is and how
 * long.
 */
async function absorb(value: unknown, eat: (bytes: Uint8Array) => Promise<void>): Promise<void> {
  if (ArrayBuffer.isView(value)) {
    await eat(encode([value.constructor.name, value.byteLength]));
    await eat(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
  } else if (Array.isArray(value)) {
    await eat(encode(["array", value.length]));
    for (const item of value) await absorb(item, eat);
  } else if (typeof value === "object" && value !== null) {
    const entries = value instanceof Map ? [...value] : Object.entries(value);
    const present = entries.filter(([, item]) => item !== undefined).sort(([a], [b]) => (a < b ? -1 : 1));
    await eat(encode(["object", present.length]));
    for (const [key, item] of present) {
      await eat(encode(key));
      await absorb(item, eat);
    }
  } else {
    await eat(encode(value));
  }
}

function describe(graph: Graph, { synthesis, reconstruction, data }: RunSettings): string {
  const parts = [`"${graph.name}"`];
  if (reconstruction) {
    const { weightBits, activationBits, setting } = reconstruction;
    parts.push(`W${weightBits}A${activationBits} (${setting})`);
  }
  if (data) parts.push(`${data.shape[0]} images given`);
  else if (synthesis) parts.push(`${synthesis.images} images of ${synthesis.iterations} iterations`);
  if (reconstruction) parts.push(`${reconstruction.iterations} iterations a block`);
  const seeds = [synthesis?.seed, reconstruction?.seed].filter((seed) => seed !== undefined);
  parts.push(`seed ${[...new Set(seeds)].join(" and ")}`);
  return parts.join(", ");
}
