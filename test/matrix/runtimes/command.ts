/** Runtimes that are commands: Node and Deno. */
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Consumer } from "../consumer.ts";
import type { Job, Outcome, Runtime } from "./runtime.ts";

/** @param command What runs a script whose path is its last argument. */
function commandRuntime(
  name: string,
  [program, ...args]: [string, ...string[]],
  consumer: Consumer,
): Runtime {
  return {
    name,
    async run(job: Job): Promise<Outcome> {
      await writeFile(join(consumer.folder, "job.json"), JSON.stringify(job));
      const { stdout } = await promisify(execFile)(program, [...args, "command.mjs"], {
        cwd: consumer.folder,
        env: { ...process.env, DENO_NO_UPDATE_CHECK: "1" },
      });
      return JSON.parse(stdout.trim().split("\n").at(-1)!);
    },
    async close() {},
  };
}

async function versionOf(program: string): Promise<string> {
  const { stdout } = await promisify(execFile)(program, ["--version"]);
  return /\d[\d.]*/.exec(stdout)![0];
}

export async function nodeRuntime(program: string, consumer: Consumer): Promise<Runtime> {
  return commandRuntime(`Node ${await versionOf(program)}`, [program], consumer);
}

export async function denoRuntime(program: string, consumer: Consumer): Promise<Runtime> {
  return commandRuntime(`Deno ${await versionOf(program)}`, [program, "run", "--allow-all"], consumer);
}
