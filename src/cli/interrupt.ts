/** Ctrl-C, `kill` and a terminal that is closed: the first asks the work to stop, the second leaves at once. */
import { constants } from "node:os";
import { GenieError } from "../errors.ts";

const WORDS = {
  SIGINT: "interrupted",
  SIGTERM: "stopped by SIGTERM",
  SIGHUP: "stopped by SIGHUP",
} as const;

type StopSignal = keyof typeof WORDS;

/** Work that was stopped by a signal. */
export class Interruption extends GenieError {
  readonly signal: StopSignal;

  constructor(signal: StopSignal, cause: unknown) {
    super("aborted", WORDS[signal], { cause });
    this.signal = signal;
  }
}

/** What a shell is told of a process that a signal ended: 128 + its number. */
export function exitCodeOf(signal: StopSignal): number {
  return 128 + constants.signals[signal];
}

/**
 * Runs `work` with a signal that the first SIGINT, SIGTERM or SIGHUP aborts.
 *
 * @throws Interruption for work that stops because of it.
 */
export async function interruptible<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  const controller = new AbortController();
  let stoppedBy: StopSignal | undefined;
  const listeners = (Object.keys(WORDS) as StopSignal[]).map((signal) => {
    const onSignal = (): void => {
      if (stoppedBy) process.exit(exitCodeOf(signal));
      stoppedBy = signal;
      controller.abort();
    };
    process.on(signal, onSignal);
    return () => process.off(signal, onSignal);
  });
  try {
    return await work(controller.signal);
  } catch (error) {
    const isStopped = stoppedBy && error instanceof GenieError && error.code === "aborted";
    throw isStopped ? new Interruption(stoppedBy!, error) : error;
  } finally {
    for (const off of listeners) off();
  }
}
