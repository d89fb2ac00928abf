/** The command line as a whole. */
import { Command } from "commander";
import { printable } from "../printable.ts";
import { VERSION } from "../version.ts";
import { addDemo } from "./commands/demo.ts";
import { addEvaluate } from "./commands/evaluate.ts";
import { addInspect } from "./commands/inspect.ts";
import { addQuantize } from "./commands/quantize.ts";
import { addSynthesize } from "./commands/synthesize.ts";
import { explainFailure } from "./exit.ts";

const HELP = `
Start here:
  genie-wasm demo                        the whole job on a model that comes with the package
  genie-wasm inspect model.onnx          what is in a model, and what would be quantized to what
  genie-wasm quantize model.onnx         W4A4 with no data → model.w4a4.onnx
  genie-wasm help quantize               every option of a command

Exit codes: 0 done, 2 refused (bad input or option, or nowhere to write), 1 a bug; stopped by a signal:
130 Ctrl-C, 143 SIGTERM, 129 SIGHUP. What a stopped run of quantize has finished is kept.
`;

export function createProgram(): Command {
  const program = new Command("genie-wasm")
    .description("Quantizes convolutional networks to 2…8 bits with no data, on the CPU (GENIE, CVPR 2023).")
    .version(VERSION)
    .showSuggestionAfterError()
    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error: /, "genie-wasm: ").replace(/\n(?=.)/g, " ")),
    })
    .exitOverride()
    .addHelpText("after", HELP);
  for (const add of [addQuantize, addSynthesize, addInspect, addEvaluate, addDemo]) add(program);
  return program;
}

/**
 * Runs one command.
 *
 * @param args What follows the program's name.
 * @returns The exit code. Errors are printed, never thrown.
 */
export async function runProgram(args: readonly string[]): Promise<number> {
  try {
    await createProgram().parseAsync(args, { from: "user" });
    return 0;
  } catch (error) {
    const { code, message } = explainFailure(error);
    if (message) process.stderr.write(`genie-wasm: ${message}\n`);
    if (process.env.DEBUG && error instanceof Error) process.stderr.write(`${printableStack(error)}\n`);
    return code;
  }
}

/** A stack begins with the message, which quotes what was read. */
function printableStack({ stack = "" }: Error): string {
  return stack
    .split("\n")
    .map((line) => printable(line, 1000))
    .join("\n");
}
