import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decode } from "fast-png";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readNpy } from "../../src/formats/npy.ts";
import { evaluate, loadModel } from "../../src/index.ts";
import { VERSION } from "../../src/version.ts";
import { dynamicModel, fashionImages, fashionLabels, fashionModel, foldedModel } from "./models.ts";
import { run, start } from "./spawn.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "genie-cli-"));
  await writeFile(join(folder, "fashion.onnx"), await fashionModel());
  await writeFile(join(folder, "images.npy"), await fashionImages());
  await writeFile(join(folder, "labels.npy"), await fashionLabels());
});

afterEach(() => rm(folder, { recursive: true }));

const INPUTS = ["fashion.onnx", "images.npy", "labels.npy"];
const written = async () => (await readdir(folder)).filter((name) => !INPUTS.includes(name)).sort();
const lastLine = (text: string) => JSON.parse(text.trimEnd().split("\n").at(-1)!);
const tiny = ["--images", "6", "--batch-size", "4", "--synthesis-iterations", "2"];
const pixels = ["--mean", "0.286", "--std", "0.353"];

describe("help", () => {
  it("has examples, defaults and exit codes", async () => {
    const { code, stdout } = await run(["--help"], folder);
    expect(code).toBe(0);
    expect(stdout).toMatch(/genie-wasm demo/);
    expect(stdout).toMatch(/Exit codes/);
  });

  it.each(["quantize", "synthesize", "inspect", "evaluate", "demo"])("teaches %s", async (command) => {
    const { code, stdout } = await run(["help", command], folder);
    expect(code).toBe(0);
    expect(stdout).toMatch(/--json: \{/);
  });

  it("names the version", async () => {
    expect((await run(["--version"], folder)).stdout).toBe(`${VERSION}\n`);
  });
});

describe("--profile", () => {
  it.each(["0", "2"])(
    "tells by op where the time of each stage went, with %s workers, and changes nothing",
    async (workers) => {
      const args = [
        "quantize",
        "fashion.onnx",
        ...tiny,
        "--iterations",
        "2",
        "--workers",
        workers,
        "--quiet",
      ];
      const plain = await run([...args, "-o", "plain.onnx"], folder);
      expect([plain.code, plain.stderr]).toEqual([0, ""]);
      const { code, stderr } = await run([...args, "-o", "profiled.onnx", "--profile"], folder);
      expect(code).toBe(0);
      const bytes = await Promise.all(
        ["plain.onnx", "profiled.onnx"].map((name) => readFile(join(folder, name))),
      );
      expect(bytes[1]).toEqual(bytes[0]);
      const [synthesis, reconstruction] = stderr.trim().split("\n\n");
      expect(synthesis).toMatch(/^synthesis, all threads together\nop +calls +seconds +share\n/);
      expect(reconstruction).toMatch(/^reconstruction, all threads together\n/);
      for (const table of [synthesis!, reconstruction!]) {
        // Rows below a hundredth are put together, and workers wait for whoever else has the machine.
        expect(table).toMatch(workers === "0" ? /^(winograd|conv2d\w*) +\d+ +\d/m : /^[a-z]\w+ +\d+ +\d/m);
        const seconds = table
          .split("\n")
          .slice(3)
          .map((line) => Number(/([\d.]+) +[\d.]+ %$/.exec(line)![1]));
        const sum = seconds.slice(0, -1).reduce((a, b) => a + b, 0);
        // Each row is rounded to a hundredth.
        expect(Math.abs(sum - seconds.at(-1)!)).toBeLessThan(0.005 * seconds.length);
      }
    },
  );
});

describe("quantize", () => {
  it("writes <model>.w4a4.onnx with no data and tells everything as JSON", async () => {
    const args = ["quantize", "fashion.onnx", ...tiny, "--iterations", "2", "--json"];
    const { code, stdout, stderr } = await run(args, folder);
    expect(stderr).toMatch(/synthesis {2}batch 2\/2/);
    expect(code).toBe(0);
    const result = lastLine(stdout);
    expect(result).toMatchObject({
      command: "quantize",
      output: "fashion.w4a4.onnx",
      weightBits: 4,
      activationBits: 4,
      images: 6,
      synthetic: true,
    });
    expect(Object.keys(result.seconds)).toEqual(["synthesis", "reconstruction", "total"]);
    expect(result.blocks.length).toBeGreaterThan(3);
    for (const block of result.blocks) expect(block.loss).toBeGreaterThanOrEqual(0);
    expect(await written()).toEqual(["fashion.w4a4.onnx"]);
    const bytes = await readFile(join(folder, "fashion.w4a4.onnx"));
    expect(bytes.length).toBe(result.bytes);
    expect(bytes.length).toBeLessThan((await fashionModel()).length / 3);
  });

  it("takes real images, other bits and another name, and prints a table", async () => {
    const args = ["quantize", "fashion.onnx", "--data", "images.npy", ...pixels, "--iterations", "1"];
    const { code, stdout } = await run(
      [...args, "-w", "8", "-a", "8", "--symmetric", "-o", "small.onnx", "-q"],
      folder,
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/wrote small\.onnx: W8A8/);
    expect(await written()).toEqual(["small.onnx"]);
    const evaluation = ["evaluate", "small.onnx", "--images", "images.npy", "--labels", "labels.npy"];
    const { stdout: json } = await run([...evaluation, ...pixels, "--json", "--limit", "200"], folder);
    expect(lastLine(json)).toMatchObject({ command: "evaluate", count: 200 });
    expect(lastLine(json).top1).toBeGreaterThan(0.88);
  });

  it("draws images from a prior where BatchNorms are folded, and says so, as inspect and synthesize do", async () => {
    await writeFile(join(folder, "folded.onnx"), await foldedModel());
    const args = [...tiny, "--json"];
    const quantized = await run(["quantize", "folded.onnx", ...args, "--iterations", "2"], folder);
    expect(quantized.code).toBe(0);
    expect(quantized.stderr).toMatch(/no BatchNorm statistics: images come from a prior/);
    expect(quantized.stderr).toMatch(/no statistics tell the input's range: .*--input-range/);
    expect(lastLine(quantized.stdout)).toMatchObject({ synthetic: true, images: 6 });
    const synthesized = await run(["synthesize", "folded.onnx", ...args], folder);
    expect(lastLine(synthesized.stdout)).toMatchObject({ images: 6, shape: [6, 28, 28, 1] });
    const { stdout } = await run(["inspect", "folded.onnx"], folder);
    expect(stdout).toMatch(/images come from a prior \(dead leaves/);
    await rm(join(folder, "folded.onnx"));
  });

  it("packs two weights to a byte, and keeps zero-points of 8-bit weights, for who asks", async () => {
    const args = ["quantize", "fashion.onnx", ...tiny, "--iterations", "1", "--json"];
    const result = async (...flags: string[]) => lastLine((await run([...args, ...flags], folder)).stdout);
    const usual = await result();
    expect(usual).toMatchObject({ storage: "int8", symmetric: "wide" });
    const narrow = await result("--storage", "int4", "--no-symmetric");
    expect(narrow).toMatchObject({ storage: "int4", symmetric: false });
    expect(narrow.bytes / usual.bytes).toBeLessThan(0.75);
  });

  it("gives the same bytes for the same seed", async () => {
    const args = ["quantize", "fashion.onnx", ...tiny, "--iterations", "2", "-q"];
    await run([...args, "-o", "a.onnx"], folder);
    await run([...args, "-o", "b.onnx"], folder);
    await run([...args, "-o", "c.onnx", "--seed", "7"], folder);
    const [a, b, c] = await Promise.all(
      ["a", "b", "c"].map((name) => readFile(join(folder, `${name}.onnx`))),
    );
    expect(a!.equals(b!)).toBe(true);
    expect(a!.equals(c!)).toBe(false);
  });
});

describe("synthesize", () => {
  it("writes images that quantize reads, and a contact sheet", async () => {
    const { code, stdout } = await run(["synthesize", "fashion.onnx", ...tiny, ...pixels, "--json"], folder);
    expect(code).toBe(0);
    expect(lastLine(stdout)).toMatchObject({ images: 6, shape: [6, 28, 28, 1] });
    expect(await written()).toEqual(["fashion.images.npy", "fashion.images.png"]);
    const { shape, data } = readNpy(await readFile(join(folder, "fashion.images.npy")));
    expect(shape).toEqual([6, 28, 28, 1]);
    expect(data).toBeInstanceOf(Float32Array);
    const sheet = decode(await readFile(join(folder, "fashion.images.png")));
    expect(sheet.width).toBeGreaterThan(3 * 64);
    const args = ["quantize", "fashion.onnx", "--data", "fashion.images.npy", "--iterations", "1", "--json"];
    expect(lastLine((await run(args, folder)).stdout)).toMatchObject({ images: 6, synthetic: false });
  });
});

describe("--input-range", () => {
  const moments = async (...range: string[]) => {
    const args = ["synthesize", "fashion.onnx", ...tiny, "-q", "-o", "some.npy", ...range];
    expect((await run(args, folder)).code).toBe(0);
    const data = readNpy(await readFile(join(folder, "some.npy"))).data as Float32Array;
    const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
    return { data, mean, std: Math.sqrt(data.reduce((sum, x) => sum + (x - mean) ** 2, 0) / data.length) };
  };

  it("gives images the mean and the standard deviation that are asked for", async () => {
    const { mean, std } = await moments("--input-range", "100/7");
    expect(Math.abs(mean - 100)).toBeLessThan(2);
    expect(Math.abs(std - 7)).toBeLessThan(1);
    // The example's network takes normalized images, which is what is found by itself.
    const found = await moments();
    expect((await moments("--input-range", "auto")).data).toEqual(found.data);
    expect((await moments("--input-range", "normalized")).data).toEqual(found.data);
    expect(Math.abs(found.mean)).toBeLessThan(0.5);
  });

  it("is taken by quantize", async () => {
    const args = ["quantize", "fashion.onnx", ...tiny, "--iterations", "1", "-q"];
    for (const range of ["0/1", "50/2"]) {
      await run([...args, "--input-range", range, "-o", `${range.slice(0, 1)}.onnx`], folder);
    }
    const [a, b] = await Promise.all(["0", "5"].map((name) => readFile(join(folder, `${name}.onnx`))));
    expect(a!.equals(b!)).toBe(false);
  });
});

describe("evaluate", () => {
  it("agrees with the facade", async () => {
    const args = ["evaluate", "fashion.onnx", "--images", "images.npy", "--labels", "labels.npy"];
    const { code, stdout } = await run([...args, ...pixels, "--scale", "255", "--json"], folder);
    expect(code).toBe(0);
    const { top1, top5, count } = lastLine(stdout);
    expect(count).toBe(1000);
    const bytes = readNpy(await fashionImages());
    const data = Float32Array.from(bytes.data as Uint8Array, (pixel) => (pixel / 255 - 0.286) / 0.353);
    const labels = readNpy(await fashionLabels()).data as Uint8Array;
    const own = await evaluate(await loadModel(await fashionModel()), { shape: bytes.shape, data }, labels, {
      workers: 0,
    });
    expect({ top1, top5 }).toEqual({ top1: own.top1, top5: own.top5 });
    expect(top1).toBe(0.938);
  });
});

describe("inspect", () => {
  it("shows layers, bits, blocks and totals", async () => {
    const { code, stdout } = await run(["inspect", "fashion.onnx", "-w", "3", "-a", "5"], folder);
    expect(code).toBe(0);
    expect(stdout).toMatch(/conv2d +\[N, 28, 28, 16\] .* 8 +float/);
    expect(stdout).toMatch(/conv2d +\[N, 14, 14, 32\] .* 3 +5/);
    expect(stdout).toMatch(/BatchNorms +9/);
    expect(stdout).toMatch(/parameters +\d\d\.\d k/);
    expect(stdout).toMatch(/reconstruction blocks/);
  });

  it("takes the input's size from --input-shape", async () => {
    await writeFile(join(folder, "dynamic.onnx"), await dynamicModel());
    const args = ["inspect", "dynamic.onnx", "--input-shape", "1,1,28,28", "--json"];
    const { stdout } = await run(args, folder);
    expect(lastLine(stdout).inputs).toEqual([{ name: "image", shape: [-1, 28, 28, 1] }]);
  });

  it("gives the same as JSON", async () => {
    const result = lastLine((await run(["inspect", "fashion.onnx", "--json"], folder)).stdout);
    expect(result).toMatchObject({ command: "inspect", batchNorms: 9 });
    expect(result.nodes.length).toBeGreaterThan(10);
    expect(result.blocks.length).toBeGreaterThan(3);
  });
});

describe("demo", () => {
  it("runs from the package's own files", async () => {
    const { code, stdout } = await run(["demo", ...tiny, "--iterations", "1", "--json"], folder);
    expect(code).toBe(0);
    const result = lastLine(stdout);
    expect(result.float.top1).toBe(0.938);
    expect(result.quantized.bytes).toBeLessThan(result.float.bytes / 3);
    expect(await written()).toEqual(["fashion-resnet.images.png", "fashion-resnet.w4a4.onnx"]);
  });
});

// Windows has no SIGINT to send.
describe.skipIf(process.platform === "win32")("Ctrl-C", () => {
  it("keeps the finished batches of synthesize", async () => {
    const args = ["synthesize", "fashion.onnx", "--images", "100000", "--batch-size", "8"];
    const running = start([...args, "--synthesis-iterations", "2", "--workers", "1"], folder);
    await running.says("batch 3/");
    const asked = performance.now();
    running.child.kill("SIGINT");
    const { code, stderr } = await running.finished;
    expect(performance.now() - asked).toBeLessThan(3000);
    expect(code).toBe(130);
    expect(stderr).toMatch(/interrupted; kept \d+ finished images in fashion\.images\.npy/);
    const { shape } = readNpy(await readFile(join(folder, "fashion.images.npy")));
    expect(shape[0]).toBeGreaterThanOrEqual(16);
    expect(shape[0]! % 8).toBe(0);
    expect(await written()).toEqual(["fashion.images.npy", "fashion.images.png"]);
  });

  it("keeps what quantize has finished, and goes on behind it with the same bits", async () => {
    const args = ["quantize", "fashion.onnx", ...tiny, "--iterations", "40", "--workers", "2"];
    expect((await run([...args, "-o", "unbroken.onnx"], folder)).code).toBe(0);
    const running = start(args, folder);
    await running.says("block 1/");
    running.child.kill("SIGINT");
    const { code, stderr } = await running.finished;
    expect(code).toBe(130);
    expect(stderr).toMatch(/kept in the folder fashion\.w4a4\.onnx\.checkpoint: the same command goes on/);
    expect(await written()).toEqual(["fashion.w4a4.onnx.checkpoint", "unbroken.onnx"]);
    const other = await run([...args, "--seed", "1"], folder);
    expect(other.code).toBe(2);
    expect(other.stderr).toMatch(/another run: .*seed 0.*this one is .*seed 1.*--restart/);
    const resumed = await run(args, folder);
    expect(resumed.code).toBe(0);
    expect(resumed.stderr).not.toContain("synthesis");
    expect(await written()).toEqual(["fashion.w4a4.onnx", "unbroken.onnx"]);
    const [once, again] = await Promise.all(
      ["unbroken.onnx", "fashion.w4a4.onnx"].map((name) => readFile(join(folder, name))),
    );
    expect(again!.equals(once!)).toBe(true);
  });

  it("says when there is nothing to keep", async () => {
    const running = start(["synthesize", "fashion.onnx", "--synthesis-iterations", "1000000"], folder);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    running.child.kill("SIGINT");
    const { code, stderr } = await running.finished;
    expect(code).toBe(130);
    expect(stderr).toMatch(/nothing was written\n$/);
    expect(await written()).toEqual([]);
  });
});
