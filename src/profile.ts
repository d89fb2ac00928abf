/** What a stage of the work spent its time on. */
import { startProfile } from "./kernels/profile.ts";
import type { Progress } from "./progress.ts";

export interface OpTime {
  /** A kernel of ours by its name, or one of tfjs's as "tfjs Add". */
  name: string;
  calls: number;
  seconds: number;
}

/** One worker's share of a stage, or one batch of it. */
export interface StageProfile {
  stage: Progress["stage"];
  /** From its start to its end; what is not in `ops` is JavaScript, and waiting for other workers. */
  seconds: number;
  ops: OpTime[];
}

/** Receives every finished piece of work, which waits for it; their sums are the work of all workers. */
export type ProfileListener = (profile: StageProfile) => void | Promise<void>;

/** Does `work`, with timers around every kernel if somebody listens; the results are the same. */
export async function profiled<T>(
  stage: StageProfile["stage"],
  listener: ProfileListener | undefined,
  work: () => Promise<T>,
): Promise<T> {
  if (!listener) return work();
  const profile = startProfile();
  const started = performance.now();
  try {
    const result = await work();
    const seconds = (performance.now() - started) / 1000;
    const ops = [...profile.lap()].map(([name, { calls, milliseconds, foreign }]) => ({
      name: foreign ? `tfjs ${name}` : name,
      calls,
      seconds: milliseconds / 1000,
    }));
    await listener({ stage, seconds, ops });
    return result;
  } finally {
    profile.stop();
  }
}
