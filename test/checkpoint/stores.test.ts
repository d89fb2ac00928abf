import "fake-indexeddb/auto";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { browserCheckpoint } from "../../src/checkpoint/browserStore.ts";
import { fileCheckpoint } from "../../src/checkpoint/fileStore.ts";
import type { CheckpointStore } from "../../src/checkpoint/store.ts";

let parent: string;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "genie-checkpoint-"));
});

afterEach(() => rm(parent, { recursive: true }));

const stores: [string, (name: string) => CheckpointStore][] = [
  ["a folder", (name) => fileCheckpoint(join(parent, name))],
  ["IndexedDB", (name) => browserCheckpoint(`${parent}/${name}`)],
];

describe.each(stores)("checkpoints in %s", (_, open) => {
  it("keep what was set last, apart by name and key", async () => {
    const [one, other] = [open("one"), open("other")];
    expect(await one.get("batch-0")).toBeUndefined();
    await one.set("batch-0", Uint8Array.of(1, 2, 3));
    await one.set("batch-0", Uint8Array.of(4, 5));
    await one.set("batch-1", new Uint8Array(0));
    await other.set("batch-0", Uint8Array.of(6));
    expect(await open("one").get("batch-0")).toEqual(Uint8Array.of(4, 5));
    expect(await one.get("batch-1")).toEqual(new Uint8Array(0));
    expect(await one.get("batch-2")).toBeUndefined();
    expect(await other.get("batch-0")).toEqual(Uint8Array.of(6));
  });

  it("keep only the part of a buffer that was set", async () => {
    const store = open("part");
    await store.set("run", new Uint8Array([9, 8, 7, 6]).subarray(1, 3));
    expect(await store.get("run")).toEqual(Uint8Array.of(8, 7));
  });

  it("are cleared without touching others", async () => {
    const [one, other] = [open("one"), open("other")];
    await one.set("batch-0", Uint8Array.of(1));
    await other.set("batch-0", Uint8Array.of(2));
    await one.clear();
    expect(await one.get("batch-0")).toBeUndefined();
    expect(await other.get("batch-0")).toEqual(Uint8Array.of(2));
    await one.clear();
    await one.set("batch-0", Uint8Array.of(3));
    expect(await one.get("batch-0")).toEqual(Uint8Array.of(3));
  });

  it.each(["../run", "Run", "a/b", "", "x".repeat(65)])("refuse the key %j", async (key) => {
    await expect(open("keys").set(key, new Uint8Array(1))).rejects.toMatchObject({ code: "invalid-option" });
    await expect(open("keys").get(key)).rejects.toMatchObject({ code: "invalid-option" });
  });
});

describe("a folder", () => {
  it("is as it was before a write that was killed", async () => {
    const folder = join(parent, "run");
    const store = fileCheckpoint(folder);
    await store.set("batch-0", Uint8Array.of(1, 2));
    const [name] = await readdir(folder);
    // What a write that never came to its renaming leaves.
    const leftover = `.batch-0.00000000-0000-4000-8000-000000000000.${name!.split(".").at(-1)}`;
    await writeFile(join(folder, leftover), Uint8Array.of(9));
    expect(await store.get("batch-0")).toEqual(Uint8Array.of(1, 2));
    await store.set("batch-0", Uint8Array.of(3));
    expect(await store.get("batch-0")).toEqual(Uint8Array.of(3));
    await store.clear();
    await expect(stat(folder)).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("leaves nothing but the entries behind", async () => {
    const folder = join(parent, "run");
    await Promise.all(
      [0, 1, 2].map((index) => fileCheckpoint(folder).set(`batch-${index}`, new Uint8Array(1000))),
    );
    expect((await readdir(folder)).sort()).toEqual(
      [0, 1, 2].map((index) => `batch-${index}.genie-checkpoint`),
    );
  });

  it("keeps what is not its own when cleared", async () => {
    const folder = join(parent, "run");
    const store = fileCheckpoint(folder);
    await store.set("run", Uint8Array.of(1));
    const foreign = ["notes.txt", ".hidden", "A.genie-checkpoint", "run.genie-checkpoint.bak"];
    for (const name of foreign) await writeFile(join(folder, name), "mine");
    await store.clear();
    expect((await readdir(folder)).sort()).toEqual([...foreign].sort());
    expect(await readFile(join(folder, "notes.txt"), "utf8")).toBe("mine");
  });

  it("that cannot be made is refused in words", async () => {
    const file = join(parent, "file");
    await writeFile(file, "");
    const store = fileCheckpoint(join(file, "run"));
    await expect(store.set("run", Uint8Array.of(1))).rejects.toMatchObject({
      code: "unwritable-output",
      message: expect.stringContaining("part of the path is not a folder"),
    });
    await expect(store.get("run")).rejects.toMatchObject({ code: "malformed-file" });
  });
});

describe("IndexedDB", () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.restoreAllMocks();
  });

  it("that is missing is said, with what to use", async () => {
    vi.stubGlobal("indexedDB", undefined);
    await expect(browserCheckpoint("run").get("run")).rejects.toMatchObject({
      code: "unsupported-runtime",
      message: expect.stringContaining("fileCheckpoint"),
    });
  });

  it("that is full is said", async () => {
    vi.spyOn(IDBObjectStore.prototype, "put").mockImplementation(() => {
      throw new DOMException("no room", "QuotaExceededError");
    });
    await expect(browserCheckpoint("run").set("run", Uint8Array.of(1))).rejects.toMatchObject({
      code: "unwritable-output",
      message: expect.stringContaining("the storage is full"),
    });
  });
});
