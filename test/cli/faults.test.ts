/** What may happen to a run beside being killed: nothing is lost, and it is said. */
import { mkdtemp, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { fashionModel } from "./models.ts";
import { run, type StartOptions, start } from "./spawn.ts";

const INPUT = "fashion.onnx";
const OUTPUT = "fashion.w4a4.onnx";
const CHECKPOINT = `${OUTPUT}.checkpoint`;
const budget = ["--images", "16", "--batch-size", "8", "--synthesis-iterations", "4", "--iterations", "4"];
const args = ["quantize", INPUT, ...budget, "--workers", "1"];

const dataUrl = (program: string) => `data:text/javascript,${encodeURIComponent(program)}`;

/** SIGTERM as soon as the command listens for it. */
const STOPS_ITSELF = `
  const timer = setInterval(() => {
    if (process.listenerCount("SIGTERM") === 0) return;
    clearInterval(timer);
    process.kill(process.pid, "SIGTERM");
  }, 10).unref();`;

/** Tells standard error of what is synced, renamed and removed. */
const LOGS_FILES = `
  import fs from "node:fs/promises";
  import { syncBuiltinESMExports } from "node:module";
  const { open, rename, unlink } = fs;
  const tell = (...words) => process.stderr.write("file: " + words.join(" ") + "\\n");
  fs.open = async (path, ...rest) => {
    const handle = await open(path, ...rest);
    const sync = handle.sync.bind(handle);
    handle.sync = async () => { await sync(); tell("sync", path); };
    return handle;
  };
  fs.rename = async (from, to) => { await rename(from, to); tell("rename", from, to); };
  fs.unlink = async (path) => { await unlink(path); tell("unlink", path); };
  syncBuiltinESMExports();`;

/** Tells standard error of every worker that is started. */
const COUNTS_WORKERS = `
  import threads from "node:worker_threads";
  import { syncBuiltinESMExports } from "node:module";
  if (threads.isMainThread) {
    threads.Worker = class extends threads.Worker {
      constructor(...rest) {
        super(...rest);
        process.stderr.write("worker started\\n");
      }
    };
    syncBuiltinESMExports();
  }`;

let folder: string;
let expected: Buffer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "genie-faults-"));
  await writeFile(join(folder, INPUT), await fashionModel());
  const { code, stderr } = await run([...args, "-o", "unbroken.onnx"], folder);
  expect(code, stderr).toBe(0);
  expected = await readFile(join(folder, "unbroken.onnx"));
  await rm(join(folder, "unbroken.onnx"));
}, 120_000);

afterEach(async () => {
  for (const name of await readdir(folder)) {
    if (name !== INPUT) await rm(join(folder, name), { recursive: true });
  }
});

afterAll(() => rm(folder, { recursive: true }));

/** The model is what an unbroken run gives, and nothing else is left. */
async function expectWhole(): Promise<void> {
  expect((await readFile(join(folder, OUTPUT))).equals(expected)).toBe(true);
  expect((await readdir(folder)).sort()).toEqual([INPUT, OUTPUT]);
}

/** Runs until the first block is finished, then stops it by `signal`. */
async function stopped(signal: NodeJS.Signals, options?: StartOptions) {
  const running = start(args, folder, options);
  await running.says("reconstruction  block 1/");
  running.child.kill(signal);
  return running.finished;
}

describe.skipIf(process.platform === "win32")("a run", () => {
  it.each(["stdout", "stderr"] as const)(
    "whose %s loses its reader goes on to the end",
    async (stream) => {
      const running = start(args, folder);
      running.child[stream]!.destroy();
      expect((await running.finished).code).toBe(0);
      await expectWhole();
    },
    60_000,
  );

  it("whose stderr is full goes on to the end", async () => {
    const full = await open("/dev/full", "w");
    const { code, stdout } = await run(args, folder, { stderr: full.fd });
    await full.close();
    expect(code).toBe(0);
    expect(stdout).toContain(`wrote ${OUTPUT}`);
    await expectWhole();
  }, 60_000);

  it("whose stdout is full writes the model and says that the result has no place", async () => {
    const full = await open("/dev/full", "w");
    const { code, stderr } = await run([...args, "--quiet"], folder, { stdout: full.fd });
    await full.close();
    expect(stderr).toBe("genie-wasm: cannot write the result to standard output: the disk is full\n");
    expect(code).toBe(2);
    await expectWhole();
  }, 60_000);

  it.each([
    ["SIGINT", 130, "interrupted"],
    ["SIGTERM", 143, "stopped by SIGTERM"],
    ["SIGHUP", 129, "stopped by SIGHUP"],
  ] as const)(
    "that %s stops ends with %i, says what it kept, and goes on to the same bits",
    async (signal, code, words) => {
      const first = await stopped(signal);
      expect(first.code).toBe(code);
      expect(first.stderr).toContain(
        `genie-wasm: ${words}; what is finished is kept in the folder ${CHECKPOINT}: the same command goes on from there\n`,
      );
      const second = await run(args, folder);
      expect(second.code, second.stderr).toBe(0);
      expect(second.stderr).not.toContain("synthesis  batch");
      await expectWhole();
    },
    60_000,
  );

  it("that is stopped before anything is finished names no checkpoint", async () => {
    const { code, stderr } = await run([...args, "--synthesis-iterations", "1000000"], folder, {
      node: ["--import", dataUrl(STOPS_ITSELF)],
    });
    expect(code).toBe(143);
    expect(stderr).toContain("stopped by SIGTERM; nothing was finished yet that could be kept\n");
    expect(await readdir(folder)).toEqual([INPUT]);
  }, 60_000);

  it("drops its checkpoint when the model is on the disk under its name, and no sooner", async () => {
    const { code, stderr } = await run([...args, "-o", join(folder, OUTPUT)], folder, {
      node: ["--import", dataUrl(LOGS_FILES)],
    });
    expect(code).toBe(0);
    const lines = stderr.split("\n").filter((line) => line.startsWith("file: "));
    const renamed = lines.findIndex(
      (line) => line.endsWith(`/${OUTPUT}`) && line.startsWith("file: rename "),
    );
    const [, temporary] = /^file: rename (\S+)/.exec(lines[renamed]!)!;
    const dropped = lines.findIndex((line) => line.startsWith("file: unlink ") && line.includes(CHECKPOINT));
    expect(lines.slice(0, renamed)).toContain(`file: sync ${temporary}`);
    expect(lines.slice(renamed, dropped)).toContain(`file: sync ${folder}`);
    // The entries likewise: bytes, then name.
    for (const key of ["run", "batch-0", "batch-1", "block-0"]) {
      const named = lines.findIndex((line) => line.endsWith(`/${key}.genie-checkpoint`));
      expect(lines[named]).toMatch(/^file: rename /);
      expect(lines.slice(0, named)).toContain(`file: sync ${lines[named]!.split(" ")[2]}`);
      expect(lines[named + 1]).toBe(`file: sync ${join(folder, CHECKPOINT)}`);
    }
  }, 60_000);

  it("computes a damaged entry anew and says so, whichever and wherever it is", async () => {
    await stopped("SIGTERM");
    const place = join(folder, CHECKPOINT);
    const entries = await readdir(place);
    expect(entries).toContain("run.genie-checkpoint");
    expect(entries).toContain("batch-1.genie-checkpoint");
    for (const [index, name] of entries.entries()) {
      const bytes = await readFile(join(place, name));
      // Magic, version, header, payload, checksum: another region of each.
      const at = [3, 9, 30, bytes.length >> 1, bytes.length - 5][index % 5]!;
      bytes[at]! ^= 1 << (index % 8);
      await writeFile(join(place, name), bytes);
    }
    const { code, stderr } = await run(args, folder);
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/entry "run" of the checkpoint in the folder .* is damaged: .* one by one/);
    expect(stderr).toMatch(
      /entry "batch-1" of the checkpoint in the folder .* is damaged: .*; it is computed anew/,
    );
    await expectWhole();
  }, 60_000);

  it("clears away what killed ones have left, and nothing else", async () => {
    await writeFile(join(folder, `.${OUTPUT}.0123456789abcdef.tmp`), "half");
    await writeFile(join(folder, `.other.0123456789abcdef.tmp`), "somebody's");
    const { code, stderr } = await run(args, folder);
    expect(code, stderr).toBe(0);
    await rm(join(folder, ".other.0123456789abcdef.tmp"));
    await expectWhole();
  }, 60_000);

  it("starts no more workers than fit into the memory that it may take", async () => {
    const { code, stderr } = await run([...args, "--workers", "4", "--memory", "0.175"], folder, {
      node: ["--import", dataUrl(COUNTS_WORKERS)],
    });
    expect(code, stderr).toBe(0);
    // Two distill; one of them then reconstructs.
    expect(stderr).toContain("2 instead of 4 workers fit into 0.17 GB");
    expect(stderr).toContain("1 instead of 4 workers fit into 0.17 GB");
    expect(stderr.match(/^worker started$/gm)).toHaveLength(2);
  }, 60_000);

  it("is told of another on the same output, which is not disturbed", async () => {
    const first = start(args, folder);
    await first.says("reconstruction  block 1/");
    const second = await run(args, folder);
    const other = await run([...args, "--seed", "1"], folder);
    for (const { code, stderr } of [second, other]) {
      expect(code).toBe(2);
      expect(stderr).toMatch(/^genie-wasm: another process is at work on .*fashion\.w4a4\.onnx: wait/);
    }
    expect((await first.finished).code).toBe(0);
    await expectWhole();
  }, 60_000);

  it.runIf(process.arch === "x64")(
    "does not go on with what another kind of processor has begun",
    async () => {
      await stopped("SIGTERM");
      const other = await run(args, folder, { node: ["--no-enable-fma3"] });
      expect(other.stderr).toMatch(/belongs to .* with other .* arithmetic \(binary, kind of processor\)/);
      expect(other.code).toBe(2);
      expect((await run(args, folder)).code).toBe(0);
      await expectWhole();
    },
    60_000,
  );
});
