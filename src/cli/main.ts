/** Entry of the `genie-wasm` command. */
import { runProgram } from "./program.ts";

// A reader such as `head` may close the pipe before we are done; that is no error of ours.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});

process.exitCode = await runProgram(process.argv.slice(2));
