import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openOutputFolder } from "../../src/cli/outputFolder.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "genie-folder-"));
});

afterEach(() => rm(folder, { recursive: true }));

const NAMES = ["a", "b"];
const files = { a: Uint8Array.of(1, 2), b: Uint8Array.of(3) };
const unwritable = { code: "unwritable-output" };

describe("openOutputFolder", () => {
  it("touches nothing until the bytes are there, and leaves nothing else", async () => {
    const output = await openOutputFolder(join(folder, "out"), NAMES);
    expect(await readdir(folder)).toEqual([]);
    await output.write(files);
    expect(await readdir(folder)).toEqual(["out"]);
    expect(new Uint8Array(await readFile(join(folder, "out", "a")))).toEqual(files.a);
    expect((await readdir(join(folder, "out"))).sort()).toEqual(NAMES);
  });

  it("replaces what an earlier run has left, also through a link", async () => {
    await mkdir(join(folder, "real"));
    await writeFile(join(folder, "real", "a"), "old");
    await symlink(join(folder, "real"), join(folder, "link"));
    await (await openOutputFolder(join(folder, "link"), NAMES)).write(files);
    expect((await readdir(folder)).sort()).toEqual(["link", "real"]);
    expect(new Uint8Array(await readFile(join(folder, "real", "a")))).toEqual(files.a);
  });

  it("refuses a file, a missing folder, a path through a file and a folder with other files", async () => {
    await writeFile(join(folder, "file"), "x");
    for (const path of ["file", "none/out", "file/out", "."]) {
      await expect(openOutputFolder(join(folder, path), NAMES)).rejects.toMatchObject(unwritable);
    }
    await expect(openOutputFolder(folder, NAMES)).rejects.toThrow(/other files, as file/);
    await expect(openOutputFolder("", NAMES)).rejects.toThrow(/name is empty/);
  });

  it("keeps what has come in while the work went on", async () => {
    const output = await openOutputFolder(join(folder, "out"), NAMES);
    await mkdir(join(folder, "out"));
    await writeFile(join(folder, "out", "letter"), "dear");
    await expect(output.write(files)).rejects.toMatchObject(unwritable);
    expect(await readdir(folder)).toEqual(["out"]);
    expect(await readFile(join(folder, "out", "letter"), "utf8")).toBe("dear");
  });

  it("leaves what was there if it cannot write", async () => {
    await mkdir(join(folder, "out"));
    await writeFile(join(folder, "out", "a"), "old");
    const output = await openOutputFolder(join(folder, "out"), [...NAMES, "no/such/folder"]);
    await expect(output.write({ ...files, "no/such/folder": files.a })).rejects.toMatchObject(unwritable);
    expect(await readdir(folder)).toEqual(["out"]);
    expect(await readFile(join(folder, "out", "a"), "utf8")).toBe("old");
  });

  it("refuses to be where an input is", async () => {
    await mkdir(join(folder, "model"));
    await writeFile(join(folder, "model", "a"), "x");
    for (const input of ["model", join("model", "a")]) {
      const opened = openOutputFolder(join(folder, "model"), NAMES, [join(folder, input)]);
      await expect(opened).rejects.toMatchObject({ code: "invalid-option" });
    }
  });
});
