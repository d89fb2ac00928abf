import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { lockPath } from "../../src/checkpoint/fileLock.ts";

let folder: string;
let program: string;
const children: ChildProcess[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "genie-lock-"));
  program = join(folder, "lock.mjs");
  await build({
    entryPoints: [createRequire(import.meta.url).resolve("../../src/checkpoint/fileLock.ts")],
    bundle: true,
    platform: "node",
    format: "esm",
    outfile: program,
  });
});

afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

afterAll(() => rm(folder, { recursive: true }));

/** A process that wants `path`: says "held" or the error's code, then stays. */
async function holder(path: string): Promise<{ said: string; child: ChildProcess }> {
  const source = `
    const { lockPath } = await import(${JSON.stringify(pathToFileURL(program).href)});
    const said = await lockPath(${JSON.stringify(path)}).then(() => "held", ({ code }) => code);
    process.stdout.write(said);
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", source], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  const said = await new Promise<string>((resolve) =>
    child.stdout!.once("data", (text) => resolve(`${text}`)),
  );
  return { said, child };
}

const ended = (child: ChildProcess) => new Promise((resolve) => child.once("exit", resolve));
const sockets = async () => (await readdir(folder)).filter((name) => name.startsWith(".genie-"));

it("is held by one, apart for each path, until released", async () => {
  const path = join(folder, "one");
  const release = await lockPath(path);
  await expect(lockPath(path)).rejects.toMatchObject({
    code: "in-use",
    message: expect.stringContaining(`another process is at work on ${path}`),
  });
  await (await lockPath(join(folder, "two")))();
  await release();
  await (await lockPath(path))();
  expect(await sockets()).toEqual([]);
});

it("keeps other processes out, one that is suspended too", async () => {
  const path = join(folder, "run");
  const { said, child } = await holder(path);
  expect(said).toBe("held");
  expect((await holder(path)).said).toBe("in-use");
  child.kill("SIGSTOP");
  await expect(lockPath(path)).rejects.toMatchObject({ code: "in-use" });
  child.kill("SIGCONT");
  child.kill("SIGKILL");
  await ended(child);
  const release = await lockPath(path);
  // That of the killed one is gone as well.
  expect(await sockets()).toHaveLength(1);
  await release();
});

it("is held by exactly one of many that come at once", async () => {
  const path = join(folder, "crowd");
  for (let round = 0; round < 5; round++) {
    const releases = await Promise.allSettled(Array.from({ length: 8 }, () => lockPath(path)));
    const held = releases.filter((result) => result.status === "fulfilled");
    expect(held).toHaveLength(1);
    await held[0]!.value();
  }
  const said = await Promise.all(Array.from({ length: 4 }, async () => (await holder(path)).said));
  expect(said.sort()).toEqual(["held", "in-use", "in-use", "in-use"]);
});

it("of a folder without room for sockets is not held, and that is said", async () => {
  const notes: string[] = [];
  const path = join(folder, "deep".repeat(40), "run");
  await (await lockPath(path, (note) => notes.push(note)))();
  expect(notes).toEqual([expect.stringMatching(/cannot be kept from a second process here .* only one/)]);
});
