/** What a command has found out, for people or for programs. */
import { printableJson } from "../printable.ts";
import type { ReportFlags } from "./options.ts";

/** Prints `result` as one line of JSON with --json, else what a person reads. */
export function printResult(result: object, text: () => string, { json }: ReportFlags): void {
  process.stdout.write(`${json ? printableJson(result) : text()}\n`);
}
