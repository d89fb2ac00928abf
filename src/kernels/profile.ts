/** Where the time goes, by kernel: timers around every export of the wasm module, for as long as one asks. */
import { type Kernels, replaceKernels } from "./heap.ts";

export interface KernelTime {
  calls: number;
  milliseconds: number;
}

export interface Profile {
  /** Times by kernel, in the order of first use, since the last lap or the start. */
  lap(): Map<string, KernelTime>;
  /** Takes the timers off again. */
  stop(): void;
}

/**
 * Starts to time every kernel; without a profile, kernels are called as they are. One profile at a time.
 *
 * @param now Milliseconds on a clock of the caller's choice.
 * @throws GenieError `unsupported-runtime` before `initializeKernels`.
 */
export function startProfile(now: () => number = () => performance.now()): Profile {
  let times = new Map<string, KernelTime>();
  const timed = <Result>(name: string, call: (...args: never[]) => Result) => {
    return (...args: never[]): Result => {
      const start = now();
      const result = call(...args);
      const milliseconds = now() - start;
      const time = times.get(name);
      if (time) {
        time.calls++;
        time.milliseconds += milliseconds;
      } else {
        times.set(name, { calls: 1, milliseconds });
      }
      return result;
    };
  };
  const stop = replaceKernels(
    (kernels) =>
      Object.fromEntries(
        Object.entries(kernels).map(([name, call]) => [
          name,
          timed(name, call as (...args: never[]) => unknown),
        ]),
      ) as unknown as Kernels,
  );
  return {
    lap() {
      const lap = times;
      times = new Map();
      return lap;
    },
    stop,
  };
}
