/** What a command ends with: the exit code, and one line on stderr when something went wrong. */
import { CommanderError } from "commander";
import { GenieError } from "../errors.ts";
import { printable } from "../printable.ts";
import { exitCodeOf, Interruption } from "./interrupt.ts";

/** Characters of an error that is not ours. */
const MAX_SUMMARY = 1000;

/** Beside these: 128 + the number of the signal that stopped the work. */
export const EXIT = { ok: 0, bug: 1, refused: 2 } as const;

/** What `error` means to the shell, and what to print; no message where commander has printed its own. */
export function explainFailure(error: unknown): { code: number; message?: string } {
  if (error instanceof CommanderError) {
    return { code: error.exitCode === 0 ? EXIT.ok : EXIT.refused };
  }
  if (error instanceof GenieError) {
    const interruption = interruptionOf(error);
    const code = interruption ? exitCodeOf(interruption.signal) : EXIT.refused;
    return { code, message: error.message };
  }
  const summary = error instanceof Error ? error.message : String(error);
  return {
    code: EXIT.bug,
    message: `${printable(summary, MAX_SUMMARY)} — this is a bug in genie-wasm; run again with DEBUG=1 for the stack trace`,
  };
}

/** What is behind an error that says more of it. */
function interruptionOf(error: unknown): Interruption | undefined {
  if (error instanceof Interruption) return error;
  return error instanceof Error ? interruptionOf(error.cause) : undefined;
}
