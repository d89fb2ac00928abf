/** Timing: candidates sampled in turns in the same run, and what a table of the results consists of. */

export interface Row {
  table: string;
  row: string;
  /** What the numbers count. "GFLOP/s" and "GB/s": larger is better; "ms", "MB" and "%": smaller is better. */
  unit: string;
  ours: number;
  /** The same measure of others' code; a peer that cannot do the work is left out. */
  peers: Record<string, number>;
  /** The most that the hardware allows, in `unit`; null where no limit is stated. */
  ceiling: number | null;
}

/** A table measures its rows one by one, so that the program can tell how far it is. */
export interface Table {
  name: string;
  rows(settings: Settings): AsyncIterable<Row>;
}

export interface Settings {
  /** Whether a row of this name is to be measured. */
  wants(row: string): boolean;
  binary: "baseline" | "relaxed";
  /** The Python that has torch, for the peer of whole iterations. */
  python: string;
}

/** Shortest time that one sample may take: below it the clock's grain shows. */
const MIN_SAMPLE_MS = 8;
const SAMPLES = 7;
/** A candidate as slow as this is sampled less: some peers take seconds a call. */
const SLOW_MS = 300;
const SLOW_SAMPLES = 3;
/**
 * Calls before the first sample last at least so long. Where a call is short, JavaScript is much of it, and V8
 * optimizes what is around a kernel only after thousands of calls, in the background: they go on until there were
 * so many, or until the second limit.
 */
const WARM_UP_MS = 60;
const SHORT_MS = 0.2;
const WARM_UP_CALLS = 10_000;
const SHORT_WARM_UP_MS = 400;

/**
 * Median milliseconds of one call of each candidate. Samples are taken in turns (a, b, a, b, …) so that a busy
 * neighbour, through the caches and memory that all cores share, slows all of them alike.
 */
export async function measure<Name extends string>(
  candidates: Record<Name, () => unknown>,
): Promise<Record<Name, number>> {
  const names = Object.keys(candidates) as Name[];
  const calls = new Map<Name, number>();
  const times = new Map<Name, number[]>(names.map((name) => [name, []]));
  for (const name of names) {
    const once = await warmUp(candidates[name]);
    calls.set(name, Math.max(1, Math.ceil(MIN_SAMPLE_MS / Math.max(once, 1e-3))));
    if (once > SLOW_MS) times.get(name)!.push(once);
  }
  for (let sample = 0; sample < SAMPLES; sample++) {
    for (const name of names) {
      const taken = times.get(name)!;
      if (sample >= SLOW_SAMPLES - 1 && taken[0]! > SLOW_MS) continue;
      const count = calls.get(name)!;
      taken.push((await elapsed(candidates[name], count)) / count);
    }
  }
  return Object.fromEntries(names.map((name) => [name, median(times.get(name)!)])) as Record<Name, number>;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Milliseconds of a call at the end of the warm-up. */
async function warmUp(work: () => unknown): Promise<number> {
  const start = cpuTime();
  await elapsed(work, 1);
  let calls = 1;
  let last = 0;
  let spent = 0;
  do {
    // The clock's own time would be part of a short call.
    const count = last < SHORT_MS ? 10 : 1;
    last = (await elapsed(work, count)) / count;
    calls += count;
    spent = cpuTime() - start;
  } while (spent < WARM_UP_MS || (last < SHORT_MS && calls < WARM_UP_CALLS && spent < SHORT_WARM_UP_MS));
  return last;
}

/**
 * Milliseconds that this process has spent on a core: on a machine that others use too, a wall clock measures
 * them. Everything here runs on one thread, so that on an idle machine the two agree.
 */
export function cpuTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

async function elapsed(work: () => unknown, calls: number): Promise<number> {
  const start = cpuTime();
  for (let call = 0; call < calls; call++) {
    const result = work();
    if (result instanceof Promise) await result;
  }
  return cpuTime() - start;
}
