/** The hardware's limits as candidates beside the others, so that they share the noise of every row. */
import type { instantiate } from "../build/peak.js";
import type { Settings } from "./harness.ts";

type Loops = Awaited<ReturnType<typeof instantiate>>;

export interface Ceilings {
  /** One call of the multiply-add loop: `MULTIPLY_ADD_FLOP` operations. */
  multiplyAdd(): void;
  /** A call that copies between two halves of `bytes`: it moves `bytes` in all, and works on as many. */
  copy(bytes: number): () => void;
}

const ROUNDS = 40_000;
/** Twelve chains of four lanes, each a product and a sum. */
export const MULTIPLY_ADD_FLOP = 96 * ROUNDS;

const PAGE_BYTES = 65536;
/** Half of a copy is a multiple of this. */
const COPY_UNIT = 64;

/** Starts the loops of `bench/assembly/` in a memory of their own. */
export async function createCeilings({
  binary,
  environment,
}: Pick<Settings, "binary" | "environment">): Promise<Ceilings> {
  // As seen from the bundle in build/bench/.
  const url = new URL(binary === "relaxed" ? "../peak.relaxed.wasm" : "../peak.wasm", import.meta.url);
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536 });
  const { instance } = await WebAssembly.instantiate(await environment.read(url), { env: { memory } });
  const loops = instance.exports as unknown as Loops;
  return {
    multiplyAdd: () => {
      // x ← 0.999999·x + 1e-7 stays a normal number for ever.
      loops.multiplyAdd(ROUNDS, 0.999999, 1e-7);
    },
    copy: (bytes) => {
      const half = Math.ceil(bytes / 2 / COPY_UNIT) * COPY_UNIT;
      const missing = 2 * half - memory.buffer.byteLength;
      if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES));
      return () => loops.copy(0, half, half);
    },
  };
}

/** 10⁹ operations a second. */
export const gflops = (flop: number, milliseconds: number): number => flop / milliseconds / 1e6;
/** 10⁹ bytes a second. */
export const gigabytes = (bytes: number, milliseconds: number): number => bytes / milliseconds / 1e6;
