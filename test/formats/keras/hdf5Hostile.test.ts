/** HDF5 files that are small and ask for much: refused before jsfive does the work. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { GenieError } from "../../../src/errors.ts";
import { loadModel } from "../../../src/session/load.ts";
import { measured } from "../../support/measured.ts";
import { attribute, chunked, dataset, Hdf5File, kerasFile, strings, treeNode } from "./hdf5Files.ts";

const UNDEFINED = 2n ** 64n - 1n;

afterEach(() => vi.restoreAllMocks());

describe("HDF5", () => {
  it("of sound datasets is read", async () => {
    const values = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer);
    const file = kerasFile([2, 2], ["a", "b"], (hdf5) => hdf5.object(dataset([2, 2], hdf5.add(values))));
    const graph = await loadModel(file);
    expect([...graph.constants.values()].map(({ data }) => [...data])).toEqual([
      [1, 2, 3, 4],
      [1, 2, 3, 4],
    ]);
  });

  it.each<[string, () => Uint8Array, RegExp]>([
    [
      "an unallocated dataset",
      () => kerasFile([16384, 16384], ["a"], (file) => file.object(dataset([16384, 16384], UNDEFINED))),
      /weight "kernel:0" of shape \[16384,16384\] is not in this HDF5 file/,
    ],
    [
      "datasets that are the same bytes",
      () => {
        const size = 64;
        let values: number | undefined;
        return kerasFile(
          [size, size],
          Array.from({ length: 60 }, (_, i) => `layer${i}`),
          (file) => {
            values ??= file.add(new Uint8Array(size * size * 4));
            return file.object(dataset([size, size], values));
          },
        );
      },
      /is not in this HDF5 file/,
    ],
    [
      "a tree of chunks whose nodes all point to the same ones",
      () =>
        kerasFile([100, 100], ["a"], (file) => {
          const leaf = file.add(treeNode(0, 1000, 0));
          const middle = file.add(treeNode(1, 1000, leaf));
          const top = file.add(treeNode(2, 1000, middle));
          return file.object(chunked(10_000, top));
        }),
      /reached twice/,
    ],
    [
      "an attribute of endless values of no size",
      () => {
        const file = new Hdf5File();
        const endless = attribute("x", [0x13, 0, 0, 0, 0, 0, 0, 0], [2, 1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0], "");
        return file.finish(file.object([endless]));
      },
      /more values than there are bytes/,
    ],
  ])("with %s is refused", async (_what, file, message) => {
    const bytes = file();
    expect(bytes.length).toBeLessThan(150_000);
    const { result: error, peak } = await measured(() => loadModel(bytes).catch((e: unknown) => e));
    expect(error).toBeInstanceOf(GenieError);
    const { code, message: text, cause } = error as GenieError;
    expect(code).toBe("malformed-file");
    expect(`${text} ${cause}`).toMatch(message);
    expect(peak).toBeLessThan(100e6);
  });

  it("with one dataset under many names is read once", async () => {
    const size = 256;
    let kernel: number | undefined;
    const file = kerasFile(
      [size, size],
      Array.from({ length: 300 }, (_, i) => `layer${i}`),
      (hdf5) => {
        kernel ??= hdf5.object(dataset([size, size], hdf5.add(new Uint8Array(size * size * 4))));
        return kernel;
      },
    );
    const { result: graph, peak } = await measured(() => loadModel(file));
    const kernels = [...graph.constants.values()].map(({ data }) => data);
    expect(kernels).toHaveLength(300);
    expect(new Set(kernels).size).toBe(1);
    expect(peak).toBeLessThan(200e6);
  });

  it("with an attribute that jsfive does not know puts nothing on the console", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    const file = new Hdf5File();
    const odd = attribute("\u001b]0;gone\u0007", [0x1c, 0, 0, 0, 0, 0, 0, 0], [2, 0, 0, 0], "");
    const bytes = file.finish(file.object([odd, strings("model_config", "{}")]));
    await expect(loadModel(bytes)).rejects.toThrow(GenieError);
    expect(warn).not.toHaveBeenCalled();
  });
});
