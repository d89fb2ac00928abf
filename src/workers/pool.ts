/** Workers that tasks are given to; one that dies is replaced, and what it did is done again. */
import { proxy, type Remote, releaseProxy, wrap } from "comlink";
import { GenieError } from "../errors.ts";
import type { Binary } from "../kernels/heap.ts";
import type { ProfileListener } from "../profile.ts";
import { unpackError, type WorkerApi } from "./protocol.ts";
import { spawnWorker, type WorkerHandle } from "./runtime.ts";

/** A task that has killed this many workers would kill the next. */
const ATTEMPTS = 3;

export interface PoolOptions {
  size: number;
  binary?: Binary | undefined;
  /** How workers are started. */
  spawn?: (() => Promise<WorkerHandle>) | undefined;
  /** Hears what each worker spent its time on, call by call. */
  onProfile?: ProfileListener | undefined;
  /** Whether workers share memory to work together; default: where the runtime has it. */
  sharesMemory?: boolean | undefined;
}

export interface Pool {
  readonly size: number;
  readonly sharesMemory: boolean;
  /**
   * Does a task on `members` workers at once, as soon as so many are free, and again on new ones if one dies.
   *
   * @throws GenieError `aborted` when `signal` fires, which ends the workers of this task; `unsupported-runtime`
   *   where no worker can be started or the task goes on killing them; whatever the task throws.
   */
  run<T>(
    members: number,
    task: (workers: readonly Remote<WorkerApi>[]) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T>;
  /** Ends all workers; tasks under way are rejected as aborted. */
  close(): void;
}

interface Member {
  handle: WorkerHandle;
  remote: Remote<WorkerApi>;
}

/** A pool without workers: they are started when the first tasks want them. */
export function createPool({
  size,
  binary,
  spawn = spawnWorker,
  onProfile,
  sharesMemory,
}: PoolOptions): Pool {
  const free: Member[] = [];
  const closing = new AbortController();
  let slots = size;
  const waiting: (() => void)[] = [];

  const acquireSlots = async (count: number): Promise<void> => {
    while (slots < count) await new Promise<void>((resolve) => waiting.push(resolve));
    slots -= count;
  };
  const releaseSlots = (count: number): void => {
    slots += count;
    for (const resolve of waiting.splice(0)) resolve();
  };

  const start = async (): Promise<Member> => {
    let handle: WorkerHandle | undefined;
    try {
      handle = await spawn();
      const remote = wrap<WorkerApi>(handle.endpoint);
      // Whoever is interested in its death races against it; nobody may be.
      handle.died.catch(() => {});
      await Promise.race([remote.start(binary, onProfile && proxy(onProfile)), handle.died]);
      return { handle, remote };
    } catch (error) {
      handle?.terminate();
      const failure = unpackError(error);
      if (failure instanceof GenieError) throw failure;
      throw new GenieError(
        "unsupported-runtime",
        `a worker cannot be started: ${messageOf(failure)}; \`workers: 0\` does without`,
        { cause: failure },
      );
    }
  };
  const end = ({ handle, remote }: Member): void => {
    remote[releaseProxy]();
    handle.terminate();
  };

  const attempt = async <T>(
    count: number,
    task: (workers: readonly Remote<WorkerApi>[]) => Promise<T>,
    signals: readonly AbortSignal[],
  ): Promise<T> => {
    if (signals.some(({ aborted }) => aborted)) throw stopped();
    const members: Member[] = [];
    const aborted = rejectOnAbort(signals);
    let isOver = false;
    let isReusable = false;
    const gather = async (): Promise<void> => {
      const member = free.pop() ?? (await start());
      // It may come up when nobody wants it any more.
      if (isOver) end(member);
      else members.push(member);
    };
    try {
      await Promise.race([Promise.all(Array.from({ length: count }, gather)), aborted.promise]);
      const deaths = members.map(({ handle }) => handle.died.catch(died));
      const result = await Promise.race([
        task(members.map(({ remote }) => remote)),
        aborted.promise,
        ...deaths,
      ]);
      isReusable = true;
      return result;
    } finally {
      isOver = true;
      aborted.stop();
      for (const member of members) {
        // After a failure some may still be at work, or wait for one that will never answer.
        if (isReusable && !closing.signal.aborted) free.push(member);
        else end(member);
      }
    }
  };

  return {
    size,
    sharesMemory: sharesMemory ?? typeof SharedArrayBuffer === "function",
    async run(count, task, signal) {
      const signals = signal ? [signal, closing.signal] : [closing.signal];
      await acquireSlots(count);
      try {
        for (let tried = 1; ; tried++) {
          try {
            return await attempt(count, task, signals);
          } catch (error) {
            if (!(error instanceof WorkerDeath)) throw unpackError(error);
            if (tried < ATTEMPTS) continue;
            throw new GenieError(
              "unsupported-runtime",
              `workers died ${ATTEMPTS} times at the same task, the last because ${error.message}`,
              { cause: error },
            );
          }
        }
      } finally {
        releaseSlots(count);
      }
    },
    close() {
      closing.abort();
      for (const member of free.splice(0)) end(member);
    },
  };
}

class WorkerDeath extends Error {}

function died(reason: unknown): never {
  throw new WorkerDeath(messageOf(reason), { cause: reason });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function stopped(): GenieError {
  return new GenieError("aborted", "stopped on request");
}

function rejectOnAbort(signals: readonly AbortSignal[]): { promise: Promise<never>; stop(): void } {
  let abort = (): void => {};
  const promise = new Promise<never>((_, reject) => {
    abort = () => reject(stopped());
  });
  promise.catch(() => {});
  for (const signal of signals) signal.addEventListener("abort", abort);
  return {
    promise,
    stop: () => {
      for (const signal of signals) signal.removeEventListener("abort", abort);
    },
  };
}
