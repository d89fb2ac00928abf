/**
 * HDF5 files by jsfive, which believes what a file says: here that is held against the file's size before jsfive acts
 * on it, and each dataset is read once under however many names.
 *
 * Format: https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html
 */
import { GenieError } from "../../errors.ts";
import type { Constant } from "../../ir/graph.ts";
import type { Budget } from "../budget.ts";
import { boundReads, type DataObjects } from "./hdf5Bounds.ts";
import { elementsOf } from "./weights.ts";

/** What we use of jsfive, which has no types of its own. */
export interface Group {
  keys: string[];
  attrs: Record<string, unknown>;
  get(path: string): Group | Dataset | null;
  _dataobjects: DataObjects;
}

export interface Dataset {
  shape: number[];
  dtype: unknown;
  value: ArrayLike<number>;
  _dataobjects: DataObjects;
}

export interface Hdf5 {
  root: Group;
  /** @throws GenieError `malformed-file`, `limit-exceeded`. */
  read(dataset: Group | Dataset | null, name: string): Constant;
}

/** A superblock of version 2, and the header of a root group with nothing in it. */
const EMPTY_FILE = Uint8Array.from(
  `\x89HDF\r\n\x1a\n\x02\b\b\0${"\0".repeat(24)}0${"\0".repeat(11)}OHDR\x02${"\0".repeat(9)}`,
  (char) => char.charCodeAt(0),
).buffer;

/** Deflate cannot make more of a byte. */
const MAX_EXPANSION = 1032;

/** @throws GenieError `malformed-file`, `limit-exceeded`. */
export async function openHdf5(bytes: Uint8Array, budget: Budget): Promise<Hdf5> {
  requireWhole(bytes);
  const { File } = await import("jsfive");
  // jsfive reads a buffer from its beginning (`slice` would not copy a Buffer).
  const own = new Uint8Array(bytes).buffer;
  const root = guarded(() => {
    // jsfive hands out its classes with an object alone, and reads the links of a file's root at once.
    const { _dataobjects: any } = new File(EMPTY_FILE, "empty.h5") as unknown as Dataset;
    boundReads(Object.getPrototypeOf(any));
    return new File(own, "model.h5") as unknown as Group;
  });

  const known = new Map<number, Constant>();
  let unchunked = 0;
  const read = (dataset: Dataset, name: string): Constant => {
    const elements = elementsOf(dataset.shape, name, budget);
    const size = elements * bytesOf(dataset.dtype);
    const isChunked = dataset._dataobjects.chunks !== null;
    // Numbers that are stored as they are take room of their own.
    unchunked += isChunked ? 0 : size;
    if (unchunked > bytes.length || size > bytes.length * MAX_EXPANSION) {
      throw new GenieError(
        "malformed-file",
        `weight "${name}" of shape [${dataset.shape}] is not in this HDF5 file, which has ${bytes.length} bytes`,
      );
    }
    if (isChunked) budget.spend("unpackedBytes", size, "the model");
    // Counters are 64-bit integers.
    const data = Float32Array.from(dataset.value, Number);
    if (data.length !== elements) {
      throw new GenieError("malformed-file", `weight "${name}" has ${data.length} values, not ${elements}`);
    }
    return { shape: [...dataset.shape], data };
  };
  return {
    root,
    read: (dataset, name) =>
      guarded(() => {
        if (!dataset || !("dtype" in dataset)) {
          throw new GenieError("malformed-file", `weight "${name}" is missing`);
        }
        const at = dataset._dataobjects.offset;
        const constant = known.get(at) ?? read(dataset, name);
        known.set(at, constant);
        return constant;
      }),
  };
}

/** Bytes of an element, from jsfive's "<f4". */
function bytesOf(dtype: unknown): number {
  const size = Number(/^[<>|]?[fiu](\d)$/.exec(String(dtype))?.[1]);
  if (!(size > 0)) throw new GenieError("malformed-file", "a weight in this HDF5 file is not of numbers");
  return size;
}

/**
 * Of a truncated file jsfive finds some groups and not others, which then look as if a weight were missing. The
 * superblock says where the file ends: at byte 40 in versions 0 and 1, at byte 28 in versions 2 and 3.
 */
function requireWhole(bytes: Uint8Array): void {
  const at = bytes[8]! < 2 ? 40 : 28;
  if (bytes.length < at + 8) throw new GenieError("malformed-file", "this HDF5 file is truncated");
  const end = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(at, true);
  if (end > BigInt(bytes.length)) {
    throw new GenieError(
      "malformed-file",
      `this HDF5 file is truncated: it has ${bytes.length} bytes of ${end}; copy or download it again`,
    );
  }
}

/**
 * jsfive throws whatever comes up where a file is not what it says, and warns with text of the file on the console. It
 * is synchronous: nobody else's warning is lost meanwhile.
 */
export function guarded<T>(read: () => T): T {
  const { warn } = console;
  console.warn = () => {};
  try {
    return read();
  } catch (error) {
    if (error instanceof GenieError) throw error;
    throw new GenieError("malformed-file", "this HDF5 file cannot be read: truncated or damaged", {
      cause: error,
    });
  } finally {
    console.warn = warn;
  }
}
