/**
 * NumPy's `.npy` files: a magic, a version, a header that is a Python dict literal, then the raw elements.
 *
 * Read: versions 1 to 3, C order, little-endian. Written: version 1.
 * Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
import { GenieError } from "../errors.ts";

export type NpyData =
  | Uint8Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Float32Array
  | Float64Array;

/** Row-major elements; a scalar has shape []. */
export interface NpyArray {
  shape: number[];
  data: NpyData;
}

const MAGIC = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59); // "\x93NUMPY"
/** Elements start at a multiple of this many bytes, as NumPy itself writes them. */
const ALIGNMENT = 64;
/** NumPy has no arrays of more dimensions; a longer shape is not from NumPy. */
const MAX_DIMENSIONS = 64;

/** Bytes of a header; NumPy itself reads none of more than 10 000. */
const MAX_HEADER = 2 ** 16;

/** Booleans are read as bytes 0 and 1. */
const READERS = new Map<string, (buffer: ArrayBuffer) => NpyData>([
  ["|b1", (buffer) => new Uint8Array(buffer)],
  ["|u1", (buffer) => new Uint8Array(buffer)],
  ["|i1", (buffer) => new Int8Array(buffer)],
  ["<i2", (buffer) => new Int16Array(buffer)],
  ["<i4", (buffer) => new Int32Array(buffer)],
  ["<i8", (buffer) => new BigInt64Array(buffer)],
  ["<f4", (buffer) => new Float32Array(buffer)],
  ["<f8", (buffer) => new Float64Array(buffer)],
]);

/**
 * Reads one array.
 *
 * @throws GenieError "malformed-file" if the bytes are no `.npy` file, or one that is cut short or whose header
 *   contradicts its size; "invalid-data" if it is one, of an element type or order that this package does not read.
 */
export function readNpy(bytes: Uint8Array): NpyArray {
  if (bytes.length < MAGIC.length + 2 || MAGIC.some((byte, index) => bytes[index] !== byte)) {
    throw malformed("it does not start as one");
  }
  const { header, dataOffset } = readHeader(bytes);
  const { descr, fortranOrder, shape } = parseHeader(header);
  const read = READERS.get(descr);
  if (!read) {
    throw new GenieError(
      "invalid-data",
      `.npy elements of type "${descr}" are not supported; convert with astype() to float32, int64 or uint8`,
    );
  }
  if (fortranOrder && shape.length > 1) {
    throw new GenieError(
      "invalid-data",
      ".npy file is in Fortran order; save numpy.ascontiguousarray(array) instead",
    );
  }
  const size = elementCount(shape) * Number(descr.slice(2));
  const present = bytes.length - dataOffset;
  if (size !== present) {
    throw malformed(`shape [${shape}] of ${descr} takes ${size} bytes of data, the file has ${present}`);
  }
  // The copy starts at offset 0 of its own buffer, so every element type is aligned in it.
  return { shape, data: read(new Uint8Array(bytes.subarray(dataOffset)).buffer) };
}

/**
 * Writes one array, version 1.
 *
 * @throws GenieError "invalid-data" if the shape does not describe the data.
 */
export function writeNpy({ shape, data }: NpyArray): Uint8Array {
  if (shape.length > MAX_DIMENSIONS || !shape.every(isDimension) || elementCount(shape) !== data.length) {
    throw new GenieError("invalid-data", `shape [${shape}] does not describe ${data.length} elements`);
  }
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const dict = `{'descr': '${descrOf(data)}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const prefix = MAGIC.length + 4;
  const dataOffset = Math.ceil((prefix + dict.length + 1) / ALIGNMENT) * ALIGNMENT;
  const bytes = new Uint8Array(dataOffset + data.byteLength);
  bytes.set(MAGIC);
  bytes[MAGIC.length] = 1;
  new DataView(bytes.buffer).setUint16(MAGIC.length + 2, dataOffset - prefix, true);
  const header = `${dict.padEnd(dataOffset - prefix - 1)}\n`;
  bytes.set(new TextEncoder().encode(header), prefix);
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), dataOffset);
  return bytes;
}

/**
 * The elements as numbers; 64-bit integers (as NumPy's labels are) only if a double holds them exactly.
 *
 * @throws GenieError "invalid-data" on an integer beyond ±(2^53 − 1).
 */
export function npyNumbers({ data }: NpyArray): Exclude<NpyData, BigInt64Array> {
  if (!(data instanceof BigInt64Array)) return data;
  return Float64Array.from(data, (value) => {
    const number = Number(value);
    if (!Number.isSafeInteger(number)) {
      throw new GenieError("invalid-data", `.npy element ${value} is too large for a double`);
    }
    return number;
  });
}

/** The dict literal, and where the elements begin. Version 1 counts the header in 2 bytes, 2 and 3 in 4. */
function readHeader(bytes: Uint8Array): { header: string; dataOffset: number } {
  const version = bytes[MAGIC.length]!;
  if (version < 1 || version > 3) throw malformed(`version ${version} does not exist`);
  const lengthSize = version === 1 ? 2 : 4;
  const start = MAGIC.length + 2 + lengthSize;
  if (bytes.length < start) throw malformed("it is cut short in its header");
  const at = new DataView(bytes.buffer, bytes.byteOffset + MAGIC.length + 2, lengthSize);
  const length = version === 1 ? at.getUint16(0, true) : at.getUint32(0, true);
  if (length > MAX_HEADER) throw malformed(`its header has ${length} bytes`);
  if (bytes.length < start + length) throw malformed("it is cut short in its header");
  const dataOffset = start + length;
  return { header: new TextDecoder().decode(bytes.subarray(start, dataOffset)), dataOffset };
}

function parseHeader(header: string): { descr: string; fortranOrder: boolean; shape: number[] } {
  const descr = /['"]descr['"]\s*:\s*(?:'([^']*)'|"([^"]*)"|\[)/.exec(header);
  const order = /['"]fortran_order['"]\s*:\s*(True|False)/.exec(header);
  const shape = /['"]shape['"]\s*:\s*\(([\d\s,]*)\)/.exec(header);
  if (!/^\s*\{.*\}\s*$/s.test(header) || !descr || !order || !shape) {
    throw malformed("its header has no descr, fortran_order and shape");
  }
  const dimensions = shape[1]!
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map(Number);
  if (dimensions.length > MAX_DIMENSIONS || !dimensions.every(isDimension)) {
    throw malformed("its shape is out of range");
  }
  return {
    descr: descr[1] ?? descr[2] ?? "record",
    fortranOrder: order[1] === "True",
    shape: dimensions,
  };
}

function isDimension(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/** May be inexact beyond 2^53, where it still differs from the size of any real array. */
function elementCount(shape: number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

function descrOf(data: NpyData): string {
  if (data instanceof Uint8Array) return "|u1";
  if (data instanceof Int8Array) return "|i1";
  if (data instanceof Int16Array) return "<i2";
  if (data instanceof Int32Array) return "<i4";
  if (data instanceof BigInt64Array) return "<i8";
  return data instanceof Float32Array ? "<f4" : "<f8";
}

function malformed(why: string): GenieError {
  return new GenieError("malformed-file", `not a readable .npy file: ${why}`);
}
