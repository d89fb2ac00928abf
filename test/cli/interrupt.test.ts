import { afterEach, expect, it, vi } from "vitest";
import { interruptible } from "../../src/cli/interrupt.ts";

afterEach(() => vi.restoreAllMocks());

it("aborts at the first Ctrl-C and leaves at the second", async () => {
  const exit = vi.spyOn(process, "exit").mockImplementation(() => undefined as never);
  const listeners = process.listenerCount("SIGINT");
  let stop = () => {};
  const work = interruptible(
    (signal) =>
      new Promise<boolean>((resolve) => {
        stop = () => resolve(signal.aborted);
      }),
  );
  process.emit("SIGINT");
  expect(exit).not.toHaveBeenCalled();
  process.emit("SIGINT");
  expect(exit).toHaveBeenCalledExactlyOnceWith(130);
  stop();
  expect(await work).toBe(true);
  expect(process.listenerCount("SIGINT")).toBe(listeners);
});

it("hands on results and errors of undisturbed work", async () => {
  expect(await interruptible(async () => 5)).toBe(5);
  await expect(interruptible(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
});
