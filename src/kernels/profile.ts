/** Where the time goes: timers around every kernel, ours and tfjs's, for as long as one asks. */
import { getKernelsForBackend } from "@tensorflow/tfjs-core";
import { type Kernels, replaceKernels } from "./heap.ts";

export interface KernelTime {
  calls: number;
  milliseconds: number;
  /** Whether it is one of tfjs's own. */
  foreign: boolean;
}

export interface Profile {
  /** Times by kernel, in the order of first use, since the last lap or the start. */
  lap(): Map<string, KernelTime>;
  /** Takes the timers off again. */
  stop(): void;
}

type Call = (...args: never[]) => unknown;

/**
 * Starts to time every kernel; without a profile, kernels are called as they are. One profile at a time.
 *
 * @param now Milliseconds on a clock of the caller's choice.
 * @throws GenieError `unsupported-runtime` before `initializeKernels`.
 */
export function startProfile(now: () => number = () => performance.now()): Profile {
  let times = new Map<string, KernelTime>();
  // A tfjs kernel may call others, or ours: what is inside another is its time already.
  let isInside = false;
  const timed = <F extends Call>(name: string, call: F, foreign: boolean): F => {
    const replacement = (...args: never[]): unknown => {
      if (isInside) return call(...args);
      isInside = true;
      const start = now();
      try {
        return call(...args);
      } finally {
        isInside = false;
        const time = times.get(name) ?? { calls: 0, milliseconds: 0, foreign };
        time.calls++;
        time.milliseconds += now() - start;
        times.set(name, time);
      }
    };
    return replacement as F;
  };
  const restoreOurs = replaceKernels(
    (kernels) =>
      Object.fromEntries(
        Object.entries(kernels).map(([name, call]) => [name, timed(name, call as Call, false)]),
      ) as unknown as Kernels,
  );
  const theirs = getKernelsForBackend("wasm");
  const former = theirs.map(({ kernelFunc }) => kernelFunc);
  for (const config of theirs) config.kernelFunc = timed(config.kernelName, config.kernelFunc, true);
  return {
    lap() {
      const lap = times;
      times = new Map();
      return lap;
    },
    stop() {
      restoreOurs();
      theirs.forEach((config, index) => {
        config.kernelFunc = former[index]!;
      });
    },
  };
}
