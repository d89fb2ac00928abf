import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GenieError } from "../../src/errors.ts";
import { type NpyArray, npyNumbers, readNpy, writeNpy } from "../../src/formats/npy.ts";

const PYTHON = "/usr/bin/python3";

function hasNumpy(): boolean {
  try {
    execFileSync(PYTHON, ["-c", "import numpy"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

const shapes = fc.array(fc.nat(5), { maxLength: 5 });

/** Any array of any readable type, NaNs and negative zeros included. */
const arrays: fc.Arbitrary<NpyArray> = shapes.chain((shape) => {
  const length = shape.reduce((product, dimension) => product * dimension, 1);
  const size = { minLength: length, maxLength: length };
  return fc
    .oneof(
      fc.uint8Array(size),
      fc.int8Array(size),
      fc.int16Array(size),
      fc.int32Array(size),
      fc.bigInt64Array(size),
      fc.float32Array(size),
      fc.float64Array(size),
    )
    .map((data) => ({ shape, data }) as NpyArray);
});

/** A file with any header text, its elements left as given. */
function fileOf(header: string, data: Uint8Array = new Uint8Array(0), version = 1): Uint8Array {
  const text = new TextEncoder().encode(header);
  const length =
    version === 1 ? [text.length & 255, text.length >> 8] : [text.length & 255, text.length >> 8, 0, 0];
  return Uint8Array.from([0x93, ...Buffer.from("NUMPY"), version, 0, ...length, ...text, ...data]);
}

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof GenieError) return error.code;
    throw error;
  }
  return "no error";
}

describe("npy", () => {
  it("reads back what it writes", () => {
    fc.assert(
      fc.property(arrays, (array) => {
        const bytes = writeNpy(array);
        const back = readNpy(bytes);
        expect(back.shape).toEqual(array.shape);
        expect(back.data.constructor).toBe(array.data.constructor);
        expect(new Uint8Array(back.data.buffer)).toEqual(
          new Uint8Array(array.data.buffer, array.data.byteOffset, array.data.byteLength),
        );
        expect((bytes.length - array.data.byteLength) % 64).toBe(0);
      }),
    );
  });

  it("reads from the middle of a larger buffer, whatever the alignment", () => {
    const bytes = writeNpy({ shape: [3], data: Float64Array.of(1.5, -2, Number.MAX_VALUE) });
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    expect(readNpy(shifted.subarray(3)).data).toEqual(Float64Array.of(1.5, -2, Number.MAX_VALUE));
  });

  it("every truncation and every wrong first byte is a typed error", () => {
    const bytes = writeNpy({ shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) });
    for (let length = 0; length < bytes.length; length++) {
      expect(codeOf(() => readNpy(bytes.subarray(0, length)))).toBe("malformed-file");
    }
    for (let index = 0; index < 7; index++) {
      const broken = bytes.slice();
      broken[index]! ^= 0x80;
      expect(codeOf(() => readNpy(broken))).toBe("malformed-file");
    }
  });

  it("random damage gives an array or a typed error, never anything else", () => {
    const bytes = writeNpy({ shape: [2, 3], data: Int16Array.of(1, 2, 3, 4, 5, 6) });
    const damage = fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(damage, (changes) => {
        const broken = bytes.slice();
        for (const [index, value] of changes) broken[index] = value;
        expect(["no error", "malformed-file", "invalid-data"]).toContain(codeOf(() => readNpy(broken)));
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    [
      "a shape beyond any memory",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }",
    ],
    [
      "a dimension beyond doubles",
      `{'descr': '<f4', 'fortran_order': False, 'shape': (${"9".repeat(400)},), }`,
    ],
    ["a negative dimension", "{'descr': '|u1', 'fortran_order': False, 'shape': (-1,), }"],
    ["10 000 dimensions", `{'descr': '|u1', 'fortran_order': False, 'shape': (${"1,".repeat(10000)}), }`],
    ["a shape larger than the data", "{'descr': '|u1', 'fortran_order': False, 'shape': (9,), }"],
    ["a shape smaller than the data", "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }"],
    ["no shape", "{'descr': '|u1', 'fortran_order': False, }"],
    ["no dict", "hello"],
  ])("refuses %s", (_what, header) => {
    expect(codeOf(() => readNpy(fileOf(header, new Uint8Array(8))))).toBe("malformed-file");
  });

  it.each([
    ["half floats", "{'descr': '<f2', 'fortran_order': False, 'shape': (4,), }"],
    ["big-endian elements", "{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }"],
    ["records", "{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (2,), }"],
    ["Object.prototype's names", "{'descr': 'toString', 'fortran_order': False, 'shape': (2,), }"],
    ["Fortran order", "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 1), }"],
  ])("does not support %s", (_what, header) => {
    expect(codeOf(() => readNpy(fileOf(header, new Uint8Array(8))))).toBe("invalid-data");
  });

  it("reads versions 2 and 3, booleans, and a Fortran vector, which has only one order", () => {
    const header = "{'shape': (3,), 'fortran_order': True, 'descr': '|b1'}\n";
    for (const version of [1, 2, 3]) {
      expect(readNpy(fileOf(header, Uint8Array.of(1, 0, 1), version))).toEqual({
        shape: [3],
        data: Uint8Array.of(1, 0, 1),
      });
    }
  });

  it("writes only what its shape describes", () => {
    for (const shape of [[2], [-1, -3], [1.5, 2], [Number.NaN]]) {
      expect(codeOf(() => writeNpy({ shape, data: new Uint8Array(3) }))).toBe("invalid-data");
    }
  });

  it("turns 64-bit labels into numbers, and refuses those a double cannot hold", () => {
    expect(npyNumbers({ shape: [2], data: BigInt64Array.of(-7n, 2n ** 53n - 1n) })).toEqual(
      Float64Array.of(-7, 2 ** 53 - 1),
    );
    expect(codeOf(() => npyNumbers({ shape: [1], data: BigInt64Array.of(2n ** 53n) }))).toBe("invalid-data");
  });

  it.skipIf(!hasNumpy())("NumPy reads ours and we read NumPy's", () => {
    const folder = mkdtempSync(join(tmpdir(), "genie-npy-"));
    const arrays: NpyArray[] = [
      { shape: [], data: Float32Array.of(2.5) },
      { shape: [3], data: Uint8Array.of(1, 2, 255) },
      { shape: [2, 0], data: new Int8Array(0) },
      { shape: [2, 1, 2], data: Int16Array.of(-32768, 1, 2, 3) },
      { shape: [1, 2], data: Int32Array.of(-5, 2 ** 31 - 1) },
      { shape: [2], data: BigInt64Array.of(-(2n ** 63n), 9n) },
      { shape: [2, 2], data: Float64Array.of(1e-300, -0, Number.NaN, Number.POSITIVE_INFINITY) },
    ];
    arrays.forEach((array, index) => {
      writeFileSync(join(folder, `${index}.npy`), writeNpy(array));
    });
    const script = `
import sys, numpy
for i in range(${arrays.length}):
    a = numpy.load(f"{sys.argv[1]}/{i}.npy")
    print(a.dtype.str, list(a.shape), a.tobytes().hex())
    with open(f"{sys.argv[1]}/{i}.out.npy", "wb") as f:
        numpy.lib.format.write_array(f, a, version=(1 + i % 3, 0))
`;
    const lines = execFileSync(PYTHON, ["-c", script, folder], { encoding: "utf8" }).trim().split("\n");
    const types = ["<f4", "|u1", "|i1", "<i2", "<i4", "<i8", "<f8"];
    arrays.forEach((array, index) => {
      const hex = Buffer.from(array.data.buffer).toString("hex");
      expect(lines[index]!.trim()).toBe(`${types[index]} [${array.shape.join(", ")}] ${hex}`.trim());
      expect(readNpy(readFileSync(join(folder, `${index}.out.npy`)))).toEqual(array);
    });
    rmSync(folder, { recursive: true });
  });
});
