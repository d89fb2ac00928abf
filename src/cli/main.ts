/** Entry of the `genie-wasm` command. */
import { runProgram } from "./program.ts";
import { guardStreams } from "./streams.ts";

guardStreams();
const code = await runProgram(process.argv.slice(2));
// Standard output may have failed already, or yet fail.
if (code !== 0) process.exitCode = code;
