/** What long work says while it runs, and how it is stopped. */
import { GenieError } from "./errors.ts";

export type Progress =
  | {
      stage: "synthesis";
      /** Index of the batch being distilled, of `batches`. */
      batch: number;
      batches: number;
      iteration: number;
      iterations: number;
      /** Statistics loss of this iteration. */
      loss: number;
      /** Share of the stage that is done, 0…1. */
      fraction: number;
    }
  | {
      stage: "reconstruction";
      /** Name and index of the block being reconstructed, of `blocks`. */
      block: string;
      index: number;
      blocks: number;
      iteration: number;
      iterations: number;
      /** Mean squared reconstruction error of this iteration's batch, summed over channels. */
      loss: number;
      fraction: number;
    }
  | { stage: "evaluation"; done: number; total: number; fraction: number };

/** Options of everything that takes long. */
export interface LongWork {
  /** Called at least once an iteration, synchronously; keep it short. */
  onProgress?: ((progress: Progress) => void) | undefined;
  /** Called with what a person should know of the run: batches made smaller to fit the memory, say. */
  onNote?: ((note: string) => void) | undefined;
  /** Aborting makes the work reject with a GenieError `aborted` within about one iteration. */
  signal?: AbortSignal | undefined;
}

/** How long work may keep the thread before it lets timers, signals and messages run. */
const YIELD_INTERVAL_MS = 40;

/**
 * Call once an iteration: lets the event loop run when it is due, then throws if the caller has aborted.
 *
 * @throws GenieError `aborted`.
 */
export function createBreather(signal: AbortSignal | undefined): () => Promise<void> {
  let last = performance.now();
  return async () => {
    if (performance.now() - last > YIELD_INTERVAL_MS) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      last = performance.now();
    }
    if (signal?.aborted) throw new GenieError("aborted", "stopped on request");
  };
}
