import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openOutput } from "../../src/cli/output.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "genie-output-"));
});

afterEach(() => rm(folder, { recursive: true }));

const bytes = Uint8Array.of(1, 2, 3);

describe("openOutput", () => {
  it("touches nothing until the bytes are there, and leaves no other file", async () => {
    const path = join(folder, "model.onnx");
    const file = await openOutput(path);
    expect(await readdir(folder)).toEqual([]);
    await file.write(bytes);
    expect(await readdir(folder)).toEqual(["model.onnx"]);
    expect(new Uint8Array(await readFile(path))).toEqual(bytes);
  });

  it("keeps what was there if it cannot write", async () => {
    const inner = join(folder, "inner");
    await mkdir(inner);
    const file = await openOutput(join(inner, "model.onnx"));
    await rm(inner, { recursive: true });
    await expect(file.write(bytes)).rejects.toMatchObject({ code: "unwritable-output" });
    expect(await readdir(folder)).toEqual([]);
  });

  it("is not kept from writing by what a killed process has left", async () => {
    const stale = [`.model.onnx.${process.pid}.tmp`, ".model.onnx.0123456789abcdef.tmp"];
    for (const name of stale) await writeFile(join(folder, name), "half");
    const file = await openOutput(join(folder, "model.onnx"));
    await file.write(bytes);
    expect((await readdir(folder)).sort()).toEqual([...stale, "model.onnx"].sort());
  });

  it("writes through a link", async () => {
    await writeFile(join(folder, "real"), "old");
    await symlink(join(folder, "real"), join(folder, "link"));
    await (await openOutput(join(folder, "link"))).write(bytes);
    expect((await readdir(folder)).sort()).toEqual(["link", "real"]);
    expect(new Uint8Array(await readFile(join(folder, "real")))).toEqual(bytes);
  });

  it("refuses a folder, a missing folder and a path through a file", async () => {
    await writeFile(join(folder, "file"), "x");
    for (const path of [folder, join(folder, "none", "x.onnx"), join(folder, "file", "x.onnx")]) {
      await expect(openOutput(path)).rejects.toMatchObject({ code: "unwritable-output" });
    }
    await expect(openOutput("")).rejects.toThrow(/name is empty/);
  });

  it("refuses an input under another name", async () => {
    const input = join(folder, "model.onnx");
    await writeFile(input, "x");
    await symlink(input, join(folder, "alias"));
    await expect(openOutput(join(folder, "alias"), [input])).rejects.toMatchObject({
      code: "invalid-option",
    });
    expect(await readFile(input, "utf8")).toBe("x");
  });

  it.skipIf(process.platform === "win32")("writes to a device without replacing it", async () => {
    await (await openOutput("/dev/null")).write(bytes);
    expect((await readFile("/dev/null")).length).toBe(0);
  });
});
