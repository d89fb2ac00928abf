import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encode } from "fast-png";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { labelsFromCsv, labelsFromNames, readFolder } from "../../src/cli/imageFolder.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "genie-folder-"));
});
afterEach(() => rm(folder, { recursive: true }));

const picture = (value: number, size = 2): Uint8Array =>
  encode({ width: size, height: size, channels: 1, data: new Uint8Array(size * size).fill(value) });

describe("readFolder", () => {
  test("in the order of names, others left alone, grey made colour, sizes fitted", async () => {
    await writeFile(join(folder, "2_b.png"), picture(20, 5));
    await writeFile(join(folder, "1_a.PNG"), picture(10));
    await writeFile(join(folder, "notes.txt"), "no picture");
    const { shape, data } = await readFolder(folder, { size: [2, 2, 3] });
    expect(shape).toEqual([2, 2, 2, 3]);
    expect([...data]).toEqual([...new Array(12).fill(10), ...new Array(12).fill(20)]);
  });

  test("a damaged picture is named", async () => {
    await writeFile(join(folder, "1.png"), picture(1));
    await writeFile(join(folder, "2.jpg"), "not a picture");
    await expect(readFolder(folder, { size: [2, 2, 1] })).rejects.toMatchObject({
      code: "malformed-file",
      message: expect.stringContaining("2.jpg"),
    });
    expect((await readFolder(folder, { size: [2, 2, 1], limit: 1 })).shape[0]).toBe(1);
  });

  test("an empty folder, other channels and a resize below the model's size are refused", async () => {
    await expect(readFolder(folder, { size: [2, 2, 1] })).rejects.toMatchObject({ code: "invalid-data" });
    await writeFile(join(folder, "1.png"), picture(1));
    await expect(readFolder(folder, { size: [2, 2, 4] })).rejects.toMatchObject({ code: "invalid-data" });
    await expect(readFolder(folder, { size: [2, 3, 1], resize: 2 })).rejects.toMatchObject({
      code: "invalid-option",
    });
  });
});

describe("labels", () => {
  test("from names", () => {
    expect(labelsFromNames(["0012_cat.jpg", "3.png"])).toEqual([12, 3]);
    expect(() => labelsFromNames(["cat.jpg"])).toThrow(/"cat.jpg" does not begin with its label/);
  });

  test("from a CSV, in any order, with or without a heading", () => {
    const names = ["a.jpg", "b, c.jpg"];
    expect(labelsFromCsv('file,label\n"b, c.jpg",4\r\na.jpg,1\n', names)).toEqual([1, 4]);
    expect(() => labelsFromCsv("a.jpg,1\n", names)).toThrow(/no line for "b, c.jpg"/);
    expect(() => labelsFromCsv("a.jpg,1\nb.jpg,x\n", names)).toThrow(/line 2/);
  });
});
