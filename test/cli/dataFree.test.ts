/**
 * The data-free claim, enforced by Node: a child that may read the package and the model, and nothing else, quantizes
 * all the same. Data sets lie right beside the model.
 */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fashionImages, fashionLabels, fashionModel } from "./models.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PERMISSION = process.allowedNodeEnvironmentFlags.has("--permission")
  ? "--permission"
  : "--experimental-permission";
const tiny = ["--images", "8", "--batch-size", "8", "--synthesis-iterations", "2"];

let folder: string;

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "genie-free-")));
  await mkdir(join(folder, "out"));
  await writeFile(join(folder, "fashion.onnx"), await fashionModel());
  await writeFile(join(folder, "images.npy"), await fashionImages());
  await writeFile(join(folder, "labels.npy"), await fashionLabels());
});

afterAll(() => rm(folder, { recursive: true }));

/**
 * Runs the command where reading is allowed in the package, of the model and of its own output alone. Without workers:
 * Node's permissions do not reach into those.
 */
function confined(command: string, ...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const out = `${join(folder, "out")}/`;
  const readable = [join(ROOT, "dist/"), join(ROOT, "package.json"), join(folder, "fashion.onnx"), out];
  const node = [
    PERMISSION,
    ...readable.map((path) => `--allow-fs-read=${path}`),
    `--allow-fs-write=${out}`,
    join(ROOT, "dist/cli.js"),
  ];
  return promisify(execFile)(process.execPath, [
    ...node,
    command,
    join(folder, "fashion.onnx"),
    ...["--output", join(out, command === "quantize" ? "quantized.onnx" : "synthetic.npy")],
    ...["--workers", "0", "--json"],
    ...args,
  ]);
}

const lastLine = (text: string) => JSON.parse(text.trimEnd().split("\n").at(-1)!);

describe("a zero-shot run", () => {
  it("quantizes where nothing but the package and the model can be read", async () => {
    const { stdout } = await confined("quantize", ...tiny, "--iterations", "2");
    expect(lastLine(stdout)).toMatchObject({ synthetic: true, images: 8 });
    expect(await readdir(join(folder, "out"))).toContain("quantized.onnx");
  });

  it("synthesizes there, nearer to the model's statistics than noise", async () => {
    const { stdout } = await confined(
      "synthesize",
      "--images",
      "16",
      "--batch-size",
      "16",
      "--iterations",
      "40",
    );
    const { distances } = lastLine(stdout);
    const average = (list: { mean: number }[]) => list.reduce((sum, { mean }) => sum + mean, 0) / list.length;
    expect(distances.images.length).toBeGreaterThan(5);
    expect(average(distances.images)).toBeLessThan(0.7 * average(distances.noise));
  });

  it("cannot read the data beside the model: the confinement holds", async () => {
    const data = ["--data", join(folder, "images.npy")];
    await expect(confined("quantize", ...data, "--iterations", "2")).rejects.toMatchObject({
      stderr: expect.stringMatching(/access|restricted|permission/i),
    });
  });
});
