/** Standard streams that fail: a reader that goes away, a full disk, a terminal that is closed. The work goes on. */
import { reason } from "../fileError.ts";
import { EXIT } from "./exit.ts";

/** Call before anything is written. */
export function guardStreams(): void {
  // Progress and notes are about the work, not the work.
  process.stderr.on("error", () => {});
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    // A reader such as `head` may have what it wanted; that is no error of ours.
    if (error.code === "EPIPE" || process.exitCode) return;
    process.exitCode = EXIT.refused;
    process.stderr.write(`genie-wasm: cannot write the result to standard output: ${reason(error)}\n`);
  });
}
