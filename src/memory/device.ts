/** The memory of the device, as far as its runtime says. */

/** Where the runtime says nothing, as Firefox does. */
const UNKNOWN_BYTES = 4 * 2 ** 30;
/** The rest is for the program around, the system and what they cache. */
const SAFE_SHARE = 0.5;

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
    // 0 or a number beyond all memory where there is no limit.
    const limit = process.constrainedMemory?.() ?? 0;
    return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
  }
  const { deviceMemory: gibibytes } = navigator as { deviceMemory?: number };
  return gibibytes ? gibibytes * 2 ** 30 : UNKNOWN_BYTES;
}

/** What a run takes unless it is told otherwise. */
export async function defaultMemory(): Promise<number> {
  return SAFE_SHARE * (await deviceMemory());
}
