import { afterEach, expect, it, vi } from "vitest";
import { interruptible } from "../../src/cli/interrupt.ts";
import { GenieError } from "../../src/errors.ts";

afterEach(() => vi.restoreAllMocks());

it.each([
  ["SIGINT", 130, "interrupted"],
  ["SIGTERM", 143, "stopped by SIGTERM"],
  ["SIGHUP", 129, "stopped by SIGHUP"],
] as const)("aborts at the first %s and leaves at the second with %i", async (name, code, message) => {
  const exit = vi.spyOn(process, "exit").mockImplementation(() => undefined as never);
  const listeners = process.listenerCount(name);
  let stop = () => {};
  const work = interruptible(
    (signal) =>
      new Promise((_, reject) => {
        stop = () => reject(new GenieError("aborted", `is aborted: ${signal.aborted}`));
      }),
  );
  process.emit(name);
  expect(exit).not.toHaveBeenCalled();
  process.emit(name);
  expect(exit).toHaveBeenCalledExactlyOnceWith(code);
  stop();
  await expect(work).rejects.toMatchObject({
    message,
    signal: name,
    cause: { message: "is aborted: true" },
  });
  expect(process.listenerCount(name)).toBe(listeners);
});

it("hands on results and errors of undisturbed work", async () => {
  expect(await interruptible(async () => 5)).toBe(5);
  await expect(interruptible(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
});
