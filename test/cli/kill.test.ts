/** A run that is killed at any point goes on from its checkpoint and ends with the same bits. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fashionModel } from "./models.ts";
import { run, start } from "./spawn.ts";

/** Kills in all; the long version of this test asks for more. */
const KILLS = Number(process.env.GENIE_KILLS ?? 4);

const args = ["quantize", "fashion.onnx", "--images", "24", "--batch-size", "8", "--workers", "2"];
const budget = ["--synthesis-iterations", "8", "--iterations", "25"];

let folder: string;
let expected: Buffer;
let unbrokenMs: number;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "genie-kill-"));
  await writeFile(join(folder, "fashion.onnx"), await fashionModel());
  const started = performance.now();
  const { code, stderr } = await run([...args, ...budget, "-o", "unbroken.onnx"], folder);
  unbrokenMs = performance.now() - started;
  expect(code, stderr).toBe(0);
  expected = await readFile(join(folder, "unbroken.onnx"));
}, 120_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

/** Shares of the unbroken run's time, spread over all of it by the golden ratio: the same every time. */
const killPoints = Array.from({ length: KILLS }, (_, index) => (0.1 + index * 0.618034) % 1);

test.each(killPoints)(
  "killed after %f of the time",
  async (share) => {
    const running = start([...args, ...budget], folder);
    await new Promise((resolve) => setTimeout(resolve, share * unbrokenMs));
    running.child.kill("SIGKILL");
    await running.finished;
    const resumed = await run([...args, ...budget], folder);
    expect(resumed.code, resumed.stderr).toBe(0);
    expect((await readFile(join(folder, "fashion.w4a4.onnx"))).equals(expected)).toBe(true);
    const left = await readdir(folder);
    expect(left.filter((name) => name.endsWith(".checkpoint"))).toEqual([]);
    await rm(join(folder, "fashion.w4a4.onnx"));
  },
  120_000,
);
