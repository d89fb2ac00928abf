/** HDF5 files with just what jsfive reads: a superblock of version 2, and objects with headers of version 2. */

const bytes = (...parts: (string | number[] | Uint8Array)[]): Uint8Array =>
  Uint8Array.from(
    parts.flatMap((part) => (typeof part === "string" ? [...Buffer.from(part, "latin1")] : [...part])),
  );

const integer = (value: number | bigint, size: number): number[] =>
  Array.from({ length: size }, (_, i) => Number((BigInt(value) >> BigInt(8 * i)) & 0xffn));

const SUPERBLOCK_SIZE = 48;

/** One message of an object's header. */
export type Message = { type: number; body: Uint8Array };

export const link = (name: string, address: number): Message => ({
  type: 6,
  body: bytes([1, 0, name.length], name, integer(address, 8)),
});

/** An attribute of one string, or of a list of them. */
export function strings(name: string, value: string | string[]): Message {
  const list = [value].flat();
  const size = Math.max(1, ...list.map(({ length }) => length));
  const space = typeof value === "string" ? [2, 0, 0, 0] : [2, 1, 0, 1, ...integer(list.length, 8)];
  const values = list.map((text) => text.padEnd(size, "\0")).join("");
  return attribute(name, [0x13, 0, 0, 0, ...integer(size, 4)], space, values);
}

export const attribute = (name: string, type: number[], space: number[], values: string): Message => ({
  type: 12,
  body: bytes(
    [3, 0, ...integer(name.length, 2), ...integer(type.length, 2), ...integer(space.length, 2), 0],
    name,
    type,
    space,
    values,
  ),
});

/** The messages of a dataset of float32 that lies in one piece at `address`. */
export function dataset(shape: number[], address: number | bigint): Message[] {
  const sizes = shape.flatMap((size) => integer(size, 8));
  return [
    { type: 1, body: bytes([2, shape.length, 0, 1, ...sizes]) },
    { type: 3, body: bytes([0x11, 0x20, 31, 0, ...integer(4, 4), 0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0]) },
    { type: 8, body: bytes([3, 1, ...integer(address, 8), ...integer(0, 8)]) },
  ];
}

/** The messages of a dataset of float32 in chunks of one value, found through a tree at `address`. */
export function chunked(size: number, address: number): Message[] {
  const [space, type] = dataset([size], 0) as [Message, Message];
  return [
    space,
    type,
    { type: 8, body: bytes([3, 2, 2, ...integer(address, 8), ...integer(1, 4), ...integer(4, 4)]) },
  ];
}

/** A node of a tree of such chunks, whose children all are at `child`. */
export function treeNode(level: number, entries: number, child: number): Uint8Array {
  const entry = bytes(integer(4, 4), integer(0, 4), integer(0, 16), integer(child, 8));
  const all = Array.from({ length: entries }, () => [...entry]).flat();
  return bytes("TREE", [1, level, ...integer(entries, 2)], integer(0, 16), all, integer(0, 24));
}

/** Objects and other pieces one behind the other, the root first; addresses are to be had before all is written. */
export class Hdf5File {
  #parts: Uint8Array[] = [new Uint8Array(SUPERBLOCK_SIZE)];
  #end = SUPERBLOCK_SIZE;
  #root = 0;

  /** @returns Its address. */
  add(piece: Uint8Array): number {
    this.#parts.push(piece);
    this.#end += piece.length;
    return this.#end - piece.length;
  }

  object(messages: readonly Message[]): number {
    const all = bytes(
      ...messages.map(({ type, body }) => bytes([type, ...integer(body.length, 2), 0], body)),
    );
    return this.add(bytes("OHDR", [2, 2, ...integer(all.length, 4)], all, integer(0, 4)));
  }

  /** Makes the object at `address` the root. */
  finish(address: number): Uint8Array {
    this.#root = address;
    const superblock = bytes(
      "\x89HDF\r\n\x1a\n",
      [2, 8, 8, 0],
      integer(0, 8),
      integer(2n ** 64n - 1n, 8),
      integer(this.#end, 8),
      integer(this.#root, 8),
      integer(0, 4),
    );
    this.#parts[0] = superblock;
    return bytes(...this.#parts);
  }
}

/** A Keras file of dense layers `names`, each of whose kernels is at the address that `kernel` says. */
export function kerasFile(
  shape: [number, number],
  names: readonly string[],
  kernel: (file: Hdf5File, name: string) => number,
): Uint8Array {
  const file = new Hdf5File();
  const layers = names.map((name, i) => ({
    class_name: "Dense",
    config: {
      name,
      units: shape[1],
      use_bias: false,
      activation: "linear",
      ...(i === 0 && { batch_input_shape: [null, shape[0]] }),
    },
  }));
  const groups = names.map((name) => {
    const group = file.object([strings("weight_names", ["kernel:0"]), link("kernel:0", kernel(file, name))]);
    return link(name, group);
  });
  const weights = file.object(groups);
  const config = JSON.stringify({ class_name: "Sequential", config: { name: "m", layers } });
  return file.finish(file.object([strings("model_config", config), link("model_weights", weights)]));
}
