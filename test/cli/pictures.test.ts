/** Folders of pictures as data: the first Fashion-MNIST images as PNG files, beside the same as .npy. */
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { encode } from "fast-png";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { npyNumbers, readNpy } from "../../src/formats/npy.ts";
import { fashionImages, fashionLabels, fashionModel } from "./models.ts";
import { run } from "./spawn.ts";

const COUNT = 24;
const SIDE = 28;
const PIXELS = ["--mean", "0.286", "--std", "0.353"];

let folder: string;
let expected: { top1: number; top5: number };

type Picture = { name: string; label: number; data: Uint8Array };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "genie-pictures-"));
  await writeFile(join(folder, "fashion.onnx"), await fashionModel());
  await writeFile(join(folder, "images.npy"), await fashionImages());
  await writeFile(join(folder, "labels.npy"), await fashionLabels());
  const pixels = readNpy(await fashionImages()).data as Uint8Array;
  const labels = npyNumbers(readNpy(await fashionLabels()));
  const pictures = Array.from({ length: COUNT }, (_, i): Picture => {
    const data = pixels.slice(i * SIDE * SIDE, (i + 1) * SIDE * SIDE);
    return { name: `${String(i).padStart(3, "0")}.png`, label: labels[i]!, data };
  });
  await mkdir(join(folder, "plain"));
  await mkdir(join(folder, "labelled"));
  await mkdir(join(folder, "large"));
  for (const { name, label, data } of pictures) {
    const png = encode({ width: SIDE, height: SIDE, channels: 1, data });
    await writeFile(join(folder, "plain", name), png);
    await writeFile(join(folder, "labelled", `${String(label).padStart(4, "0")}_${name}`), png);
    await writeFile(join(folder, "large", name), encode(framed(data)));
  }
  await writeFile(join(folder, "plain", "notes.txt"), "taken on a rainy day");
  const lines = pictures.map(({ name, label }) => `"${name}",${label}`);
  await writeFile(join(folder, "labels.csv"), ["file,label", ...lines.reverse(), ""].join("\r\n"));
  await writeFile(join(folder, "short.csv"), lines.slice(1).join("\n"));
  await writeFile(join(folder, "words.csv"), `${lines[0]}\n000.png,boot\n`);
  await mkdir(join(folder, "damaged"));
  const jpeg = fileURLToPath(new URL("../formats/images/fixtures/420.jpg", import.meta.url));
  await copyFile(jpeg, join(folder, "damaged", "a.jpg"));
  await writeFile(join(folder, "damaged", "b.jpg"), Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 0, 16, 1));
  await mkdir(join(folder, "empty"));
  expected = await evaluated("images.npy", "--labels", "labels.npy", "--limit", String(COUNT));
}, 60_000);

afterAll(() => rm(folder, { recursive: true }));

/** The picture in the middle of a white frame, in colour and wider than high. */
function framed(data: Uint8Array) {
  const [height, width, channels] = [36, 50, 3] as const;
  const framed = new Uint8Array(height * width * channels).fill(255);
  for (let i = 0; i < data.length; i++) {
    const at = ((4 + Math.floor(i / SIDE)) * width + 11 + (i % SIDE)) * channels;
    framed.fill(data[i]!, at, at + channels);
  }
  return { height, width, channels, data: framed };
}

const evaluate = (images: string, ...more: string[]) =>
  run(["evaluate", "fashion.onnx", "--images", images, ...PIXELS, ...more, "--workers", "0"], folder);

async function evaluated(images: string, ...more: string[]) {
  const { code, stdout, stderr } = await evaluate(images, ...more, "--json");
  expect(code, stderr).toBe(0);
  const { top1, top5, count } = JSON.parse(stdout.trimEnd().split("\n").at(-1)!);
  expect(count).toBe(COUNT);
  return { top1, top5 };
}

describe("a folder of pictures", () => {
  it("is what the same images are as .npy, with labels from a CSV file", async () => {
    expect(expected.top1).toBeGreaterThan(0.8);
    expect(await evaluated("plain", "--labels", "labels.csv")).toEqual(expected);
  });

  it("has its labels in its names", async () => {
    const { top1, top5 } = await evaluated("labelled");
    // The order is another one, so shares are sums in another order.
    expect(top1).toBeCloseTo(expected.top1, 12);
    expect(top5).toBeCloseTo(expected.top5, 12);
  });

  it("is cropped as asked: the frame goes, the picture stays", async () => {
    expect(await evaluated("large", "--labels", "labels.csv", "--crop", String(SIDE))).toEqual(expected);
    expect(await evaluated("large", "--labels", "labels.csv", "--resize", "36")).toEqual(expected);
  });

  it("is scaled to the model's size, and says so once", async () => {
    const { code, stderr } = await evaluate("large", "--labels", "labels.csv");
    expect(code).toBe(0);
    expect(stderr.match(/large: 24 pictures scaled to cover 28×28, centre cropped/g)).toHaveLength(1);
    expect((await evaluate("large", "--labels", "labels.csv", "-q")).stderr).toBe("");
    expect((await evaluate("large", "--labels", "labels.csv", "--crop", "28")).stderr).not.toMatch(/scaled/);
  });

  it("may hold other files, which are named as a number", async () => {
    const { stderr } = await evaluate("plain", "--labels", "labels.csv");
    expect(stderr).toMatch(/plain: 1 other file ignored/);
  });

  it("calibrates", async () => {
    const args = ["quantize", "fashion.onnx", "--data", "labelled", ...PIXELS, "--iterations", "1"];
    const { code, stdout, stderr } = await run([...args, "--json", "-o", "out.onnx"], folder);
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ images: COUNT, synthetic: false });
  });

  it.each<[string, string, string[], RegExp]>([
    ["an empty folder", "empty", [], /empty holds no JPEG or PNG files/],
    ["a damaged picture", "damaged", [], /damaged.b\.jpg: this JPEG file is damaged/],
    ["a crop beyond the picture", "large", ["--crop", "40"], /000\.png: 40×40 .*36×50.*--crop/],
    ["a resize below the model's size", "large", ["--resize", "20"], /000\.png: 28×28 .*20×27.*--resize/],
    ["names without labels", "damaged", ["--limit", "1"], /"a\.jpg" does not begin with its label.*--labels/],
    ["a picture without a line", "plain", ["--labels", "short.csv"], /short\.csv: .*no line for "023\.png"/],
    ["a label that is no number", "plain", ["--labels", "words.csv"], /words\.csv: line 2 /],
    ["a CSV file that is not there", "plain", ["--labels", "none.csv"], /cannot read none\.csv/],
    ["a resize of .npy", "images.npy", ["--labels", "labels.npy", "--resize", "9"], /folders of pictures/],
    ["no labels for .npy", "images.npy", [], /--labels is needed/],
  ])("refuses %s", async (_what, images, more, message) => {
    const { code, stdout, stderr } = await evaluate(images, "-q", ...more);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split("\n")).toHaveLength(1);
    expect(stdout).toBe("");
    expect(code).toBe(2);
  });

  it("is needed for --crop", async () => {
    const { code, stderr } = await run(["quantize", "fashion.onnx", "--crop", "28"], folder);
    expect(stderr).toMatch(/--crop.* --data/);
    expect(code).toBe(2);
  });
});
