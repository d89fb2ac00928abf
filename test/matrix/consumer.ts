/** Who uses the package: an empty folder with the tarball installed, and the scripts of consumer/. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

export interface Consumer {
  folder: string;
  remove(): Promise<void>;
}

/** Packs dist/ as it is and installs it. Run from the project's root. */
export async function installPackage(): Promise<Consumer> {
  if (!existsSync("dist/index.js")) throw new Error("dist/index.js is missing: npm run build");
  const folder = await mkdtemp(join(tmpdir(), "genie-consumer-"));
  await cp(resolve("test/matrix/consumer"), folder, { recursive: true });
  await writeFile(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
  const packed = await npm(["pack", "--silent", "--ignore-scripts", "--pack-destination", folder], ".");
  await npm(["install", "--no-audit", "--no-fund", packed.trim().split("\n").at(-1)!], folder);
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** Runs npm and gives what it prints. */
export async function npm(args: readonly string[], cwd: string): Promise<string> {
  const { stdout } = await promisify(execFile)("npm", [...args], { cwd });
  return stdout;
}
