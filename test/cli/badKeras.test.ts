/** Keras and TFJS files with something wrong: each error says what, where, and what to do. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "./spawn.ts";

const FIXTURES = new URL("../formats/keras/fixtures/", import.meta.url);

let folder: string;

async function writeModel(name: string, json: string, weights?: Uint8Array): Promise<void> {
  await mkdir(join(folder, name));
  await writeFile(join(folder, name, "model.json"), json);
  if (weights) await writeFile(join(folder, name, "weights.bin"), weights);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "genie-keras-"));
  const { weights, ...model } = JSON.parse(await readFile(new URL("tiny.json", FIXTURES), "utf8"));
  const json = JSON.stringify(model);
  const bytes = new Uint8Array(Float32Array.from(weights).buffer);
  await writeModel("good", json, bytes);
  await writeModel("cut", json.slice(0, 900), bytes);
  await writeModel("lost", json);
  await writeModel("short", json, bytes.subarray(0, 600));
  await writeModel("long", json, Uint8Array.of(...bytes, 0, 0, 0, 0));
  const nan = Float32Array.from(weights);
  nan[5] = Number.NaN;
  await writeModel("nan", json, new Uint8Array(nan.buffer));
  await mkdir(join(folder, "empty"));
  for (const name of ["keras2.h5", "keras3.h5", "keras3.keras"]) {
    const file = await readFile(new URL(name, FIXTURES));
    await writeFile(join(folder, `cut.${name}`), file.subarray(0, file.length * 0.6));
  }
  await writeFile(join(folder, "tiny.h5"), (await readFile(new URL("keras2.h5", FIXTURES))).subarray(0, 20));
});

afterAll(() => rm(folder, { recursive: true }));

describe("a Keras model", () => {
  it("is read where nothing is wrong", async () => {
    expect((await run(["inspect", "good"], folder)).code).toBe(0);
  });

  it.each<[string, string, RegExp]>([
    ["a folder without a model", "empty", /empty is a folder without a model\.json; name the model's file/],
    ["a truncated topology", "cut", /cut.model\.json: .*no JSON: truncated/],
    [
      "a shard that is not there",
      "lost",
      /lost.model\.json: .*lost.weights\.bin: there is no such file.*copy it/,
    ],
    ["a short shard", "short", /"dense_1\/kernel" needs .*weights\.bin has 600: truncated/],
    ["a long shard", "long", /weights\.bin: \d+ bytes, but .* take \d+; it belongs to another model/],
    ["NaN weights", "nan", /"conv2d_1\/kernel" of node "conv2d_1" .*NaN at index 5/],
    ["half an .h5 of Keras 2", "cut.keras2.h5", /truncated: it has 13512 bytes of 22520; copy or download/],
    ["half an .h5 of Keras 3", "cut.keras3.h5", /truncated: it has \d+ bytes of 26648/],
    ["twenty bytes of an .h5", "tiny.h5", /this HDF5 file is truncated/],
    ["half a .keras", "cut.keras3.keras", /zip archive cannot be read: truncated or damaged/],
  ])("%s", async (_what, path, message) => {
    const { code, stdout, stderr } = await run(["inspect", path], folder);
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(stdout).toBe("");
    expect(code).toBe(2);
  });
});
