/** Timing: candidates sampled in turns in the same run, and what a table of the results consists of. */
import type { Environment } from "./environment.ts";

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
  environment: Environment;
  /** Says something about the run, once. */
  note(text: string): void;
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
 * Median milliseconds of one call of each candidate; peers that are missing stay so. Samples are taken in turns (a, b, a, b, …) so that a busy
 * neighbour, through the caches and memory that all cores share, slows all of them alike.
 */
export async function measure<Name extends string, PeerName extends string = never>(
  { environment: { clock, name: runtime }, note }: Pick<Settings, "environment" | "note">,
  own: Record<Name, () => unknown>,
  peers: Record<PeerName, (() => unknown) | undefined> = {} as Record<PeerName, undefined>,
): Promise<Record<Name, number> & Partial<Record<PeerName, number>>> {
  const candidates = Object.fromEntries(
    Object.entries<(() => unknown) | undefined>({ ...own, ...peers }).flatMap(([name, work]) =>
      work ? [[name, work]] : [],
    ),
  );
  const calls = new Map<string, number>();
  const times = new Map<string, number[]>();
  for (const [name, work] of Object.entries(candidates)) {
    try {
      const once = await warmUp(work, clock);
      calls.set(name, Math.max(1, Math.ceil(MIN_SAMPLE_MS / Math.max(once, 1e-3))));
      times.set(name, once > SLOW_MS ? [once] : []);
    } catch (error) {
      // A peer may run out of memory.
      if (!(name in peers)) throw error;
      note(`${name} fails in ${runtime}: ${String(error).split("\n")[0]}`);
    }
  }
  for (let sample = 0; sample < SAMPLES; sample++) {
    for (const [name, taken] of times) {
      if (sample >= SLOW_SAMPLES - 1 && taken[0]! > SLOW_MS) continue;
      const count = calls.get(name)!;
      taken.push((await elapsed(candidates[name]!, count, clock)) / count);
    }
  }
  return Object.fromEntries([...times].map(([name, taken]) => [name, median(taken)])) as Record<
    Name,
    number
  > &
    Partial<Record<PeerName, number>>;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Milliseconds of a call at the end of the warm-up, of which a slow one has no need. */
async function warmUp(work: () => unknown, clock: () => number): Promise<number> {
  const start = clock();
  let last = await elapsed(work, 1, clock);
  if (last > SLOW_MS) return last;
  let calls = 1;
  let spent = 0;
  do {
    // The clock's own time would be part of a short call.
    const count = last < SHORT_MS ? 10 : 1;
    last = (await elapsed(work, count, clock)) / count;
    calls += count;
    spent = clock() - start;
  } while (spent < WARM_UP_MS || (last < SHORT_MS && calls < WARM_UP_CALLS && spent < SHORT_WARM_UP_MS));
  return last;
}

/** The peers that were measured, in a row's unit. */
export function ratesOf(
  times: Record<string, number | undefined>,
  rate: (milliseconds: number) => number,
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(times).flatMap(([name, time]) => (time === undefined ? [] : [[name, rate(time)]])),
  );
}

async function elapsed(work: () => unknown, calls: number, clock: () => number): Promise<number> {
  const start = clock();
  for (let call = 0; call < calls; call++) {
    const result = work();
    if (result instanceof Promise) await result;
  }
  return clock() - start;
}
