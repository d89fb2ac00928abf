/** What jsfive believes of a file, held against the file before jsfive acts on it. */

/** jsfive's reader of an object's header. */
export interface DataObjects {
  fh: ArrayBuffer;
  /** Where the header is: the object's identity. */
  offset: number;
  chunks: number[] | null;
  _chunk_address: number | null;
  _chunk_dims: number;
  _get_chunk_params(): void;
  _attr_value(dtype: unknown, buffer: ArrayBuffer, count: number, offset: number): unknown;
  _iter_links_btree_v1(tree: number, heap: number): Iterable<unknown>;
  _get_chunked_data(offset: number): unknown;
}

const bounded = new WeakSet<DataObjects>();

/** Puts the checks in front of the methods of `prototype`, once. */
export function boundReads(prototype: DataObjects): void {
  if (bounded.has(prototype)) return;
  bounded.add(prototype);
  const { _attr_value: values, _iter_links_btree_v1: links, _get_chunked_data: chunks } = prototype;
  Object.assign(prototype, {
    // A value takes a byte at least; jsfive goes on for as many as the file says there are.
    _attr_value(this: DataObjects, dtype: unknown, buffer: ArrayBuffer, count: number, offset: number) {
      if (!(count <= this.fh.byteLength))
        throw new RangeError("an attribute of more values than there are bytes");
      return values.call(this, dtype, buffer, count, offset);
    },
    _iter_links_btree_v1(this: DataObjects, tree: number, heap: number) {
      requireTree(this.fh, tree, 8);
      return links.call(this, tree, heap);
    },
    _get_chunked_data(this: DataObjects, offset: number) {
      this._get_chunk_params();
      // A key of a tree of chunks: size, filters, and where the chunk begins.
      requireTree(this.fh, this._chunk_address!, 8 + 8 * this._chunk_dims);
      return chunks.call(this, offset);
    },
  });
}

/**
 * Sees to it that no node of a version 1 B-tree, and no leaf, is reached twice: a few kilobytes of nodes that all point
 * to the same ones below make billions.
 *
 *   "TREE" type level entries │ left · right │ key · child · key · child · … · key
 */
function requireTree(file: ArrayBuffer, root: number, keyBytes: number): void {
  const view = new DataView(file);
  const seen = new Set<number>();
  const waiting = [root];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    const level = view.getUint8(at + 5);
    const entries = view.getUint16(at + 6, true);
    for (let i = 0; i < entries; i++) {
      const child = Number(view.getBigUint64(at + 24 + keyBytes + i * (keyBytes + 8), true));
      if (seen.has(child)) throw new RangeError("a node of a B-tree is reached twice");
      seen.add(child);
      if (level > 0) waiting.push(child);
    }
  }
}
