/** The built command, run as a user runs it. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const CLI = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));

export interface Finished {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Running {
  child: ChildProcess;
  finished: Promise<Finished>;
  /** Resolves when standard error holds `text`. */
  says(text: string): Promise<void>;
}

export interface StartOptions {
  /** Flags of Node's own. */
  node?: readonly string[];
  /** Where the streams go; default: here. */
  stdout?: number;
  stderr?: number;
}

/** Starts `genie-wasm` with `args` in `cwd`. */
export function start(
  args: readonly string[],
  cwd: string,
  { node = [], stdout: out, stderr: err }: StartOptions = {},
): Running {
  if (!existsSync(CLI)) throw new Error("dist/cli.js is missing: npm run build");
  const child = spawn(process.execPath, [...node, CLI, ...args], {
    cwd,
    env: { ...process.env, DEBUG: "" },
    stdio: ["ignore", out ?? "pipe", err ?? "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const finished = new Promise<Finished>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
  const says = async (text: string) => {
    while (!stderr.includes(text)) {
      if (child.exitCode !== null) throw new Error(`ended without saying "${text}":\n${stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  return { child, finished, says };
}

export function run(args: readonly string[], cwd: string, options?: StartOptions): Promise<Finished> {
  return start(args, cwd, options).finished;
}
