/** The memory of the device, as far as its runtime says. */
import { processLimit } from "./limits.ts";

/** Where the runtime says nothing, as Firefox does. */
const UNKNOWN_BYTES = 4 * 2 ** 30;
/** The rest is for the program around, the system and what they cache. */
const SAFE_SHARE = 0.5;
/**
 * What the process takes beside workers, heaps and images: resident 69 MB with a session open in Node 20, 75 MB after its first
 * call (Linux, x64; `VmRSS` of 0, 1, 2, 4 and 6 workers that have run one image: 75, 97, 123, 170 and 222 MB).
 */
const PROCESS_BYTES = 80e6;
/** What a worker takes beside its heap: 25 MB more for each in the same measurement. */
export const WORKER_BYTES = 30e6;

/**
 * Bytes of memory that the device has, or that its container may use: not what is free at this moment, so that a run
 * with the same seed splits its batches in the same way tomorrow.
 */
export async function deviceMemory(): Promise<number> {
  if ("Deno" in globalThis) {
    const { Deno } = globalThis as unknown as { Deno: { systemMemoryInfo(): { total: number } } };
    return Deno.systemMemoryInfo().total;
  }
  if (typeof process !== "undefined" && process.versions?.node) {
    const { totalmem } = await import("node:os");
    // Of the container. 0 or a number beyond all memory where there is no limit.
    const limit = process.constrainedMemory?.() || Number.POSITIVE_INFINITY;
    return Math.min(limit, totalmem(), await processLimit());
  }
  const { deviceMemory: gibibytes } = navigator as { deviceMemory?: number };
  return gibibytes ? gibibytes * 2 ** 30 : UNKNOWN_BYTES;
}

/** What workers, heaps and images may take unless a run is told otherwise: at least 1. */
export async function defaultMemory(): Promise<number> {
  const device = await deviceMemory();
  return Math.max(1, Math.min(SAFE_SHARE * device, device - PROCESS_BYTES));
}
