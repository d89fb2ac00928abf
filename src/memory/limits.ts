/** What a Linux process is limited to by its shell (`ulimit`): no interface of a runtime's says so. */

/** Lines of /proc/self/limits that bound what all heaps may take: data by `ulimit -d`, addresses by `ulimit -v`. */
const LIMITS = /^Max (?:data size|address space)\s+(\d+)\s/gm;

/** The least of the limits in the text of /proc/self/limits; infinite where all are "unlimited". */
export function leastLimit(limits: string): number {
  return Math.min(...[...limits.matchAll(LIMITS)].map(([, bytes]) => Number(bytes)));
}

/** Bytes that this process may take; infinite where nothing limits it, or where the system does not say. */
export async function processLimit(): Promise<number> {
  const { readFile } = await import("node:fs/promises");
  const limits = await readFile("/proc/self/limits", "utf8").catch(() => "");
  return leastLimit(limits);
}
