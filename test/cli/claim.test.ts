import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { claimOutput } from "../../src/cli/claim.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "genie-claim-"));
});

afterEach(() => rm(folder, { recursive: true }));

const visible = async () => (await readdir(folder)).filter((name) => !name.endsWith(".lock")).sort();
const noNotes = (note: string): void => {
  throw new Error(note);
};

it("is refused while it is claimed", async () => {
  await claimOutput(join(folder, "m.onnx"), noNotes);
  await expect(claimOutput(join(folder, "m.onnx"), noNotes)).rejects.toMatchObject({ code: "in-use" });
  await claimOutput(join(folder, "n.onnx"), noNotes);
});

it("clears away its own leftovers and nobody else's", async () => {
  const others = [
    ".m.onnx.bak.tmp",
    ".mxonnx.0123456789abcdef.tmp",
    "m.onnx",
    ".m.onnx.0123456789abcdef.tmp.x",
  ];
  for (const name of [...others, ".m.onnx.0123456789abcdef.tmp"]) await writeFile(join(folder, name), name);
  await claimOutput(join(folder, "m.onnx"), noNotes);
  expect(await visible()).toEqual(others.sort());
});

it("puts a folder back that had stepped aside when the process was killed", async () => {
  const aside = join(folder, ".out.0123456789abcdef.tmp.old");
  await mkdir(aside);
  await writeFile(join(aside, "model.json"), "former");
  await mkdir(join(folder, ".out.0123456789abcdef.tmp"));
  await claimOutput(join(folder, "out"), noNotes);
  expect(await visible()).toEqual(["out"]);
  expect(await readFile(join(folder, "out", "model.json"), "utf8")).toBe("former");
});
