import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openCheckpoint } from "../../src/checkpoint/checkpoint.ts";
import { sealEntry } from "../../src/checkpoint/entry.ts";
import type { RunIdentity } from "../../src/checkpoint/fingerprint.ts";
import type { CheckpointStore } from "../../src/checkpoint/store.ts";
import { GenieError } from "../../src/errors.ts";
import type { Constant, QuantizedTensor, QuantParams } from "../../src/ir/graph.ts";
import type { BlockResult } from "../../src/quantization/sequence.ts";

const RUN: RunIdentity = { fingerprint: "a".repeat(64), description: '"net", W4A4 (brecq), seed 0' };

/** Entries in memory, open to meddling. */
function memoryStore(): CheckpointStore & { entries: Map<string, Uint8Array> } {
  const entries = new Map<string, Uint8Array>();
  return {
    place: "memory",
    entries,
    get: async (key) => entries.get(key)?.slice(),
    set: async (key, bytes) => void entries.set(key, bytes.slice()),
    clear: async () => entries.clear(),
  };
}

/** The checkpoint of `RUN`, and what it has to say. */
async function noted(store: CheckpointStore) {
  const notes: string[] = [];
  return { checkpoint: await openCheckpoint(store, RUN, (note) => notes.push(note)), notes };
}

const anyParams: fc.Arbitrary<QuantParams> = fc
  .tuple(
    fc.integer({ min: 2, max: 8 }),
    fc.boolean(),
    fc.boolean(),
    fc.array(fc.tuple(fc.float(), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })), { maxLength: 5 }),
  )
  .map(([bits, signed, perChannel, channels]) => ({
    bits,
    signed,
    perChannel,
    scale: Float32Array.from(channels, ([scale]) => scale),
    zeroPoint: Int32Array.from(channels, ([, zero]) => zero),
  }));

const anyTensor: fc.Arbitrary<QuantizedTensor> = fc
  .tuple(fc.int16Array({ maxLength: 12 }), anyParams)
  .map(([data, params]) => ({ shape: [1, data.length], data, params }));

const anyBias: fc.Arbitrary<Constant> = fc
  .float32Array({ maxLength: 5 })
  .map((data) => ({ shape: [data.length], data }));

const anyBlock: fc.Arbitrary<BlockResult> = fc.record(
  {
    name: fc.string({ unit: "grapheme" }),
    layers: fc.array(fc.string()),
    initialLoss: fc.double(),
    loss: fc.double(),
    seconds: fc.double(),
    weights: fc.array(fc.tuple(fc.string(), anyTensor), { maxLength: 3 }),
    activations: fc.array(fc.tuple(fc.string(), anyParams), { maxLength: 3 }),
    biases: fc.array(fc.tuple(fc.string(), anyBias), { maxLength: 3 }),
  },
  { noNullPrototype: true },
);

const BLOCK: BlockResult = {
  name: "layer1.0",
  layers: ["conv1", "conv2"],
  initialLoss: 0.75,
  loss: 0.1,
  seconds: 12.5,
  weights: [
    [
      "w",
      {
        shape: [1, 1, 2, 2],
        data: Int16Array.of(0, 15, 7, 3),
        params: {
          bits: 4,
          signed: false,
          perChannel: true,
          scale: Float32Array.of(0.1, 0.2),
          zeroPoint: Int32Array.of(7, 8),
        },
      },
    ],
  ],
  activations: [],
  biases: [["b", { shape: [2], data: Float32Array.of(0.5, -1.25) }]],
};

describe("a checkpoint", () => {
  it("gives batches back bit for bit, signalling NaNs and subnormals too", async () => {
    const checkpoint = await openCheckpoint(memoryStore(), RUN);
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: 9999 }), fc.uint32Array({ maxLength: 50 }), async (index, bits) => {
        // An odd offset in its buffer, as a view of a larger array has.
        const pixels = new Float32Array(new Uint32Array([0, ...bits]).buffer, 4);
        await checkpoint.saveBatch(index, pixels);
        const back = await checkpoint.batch(index);
        expect(new Uint32Array(back!.buffer)).toEqual(bits);
      }),
      { numRuns: 50 },
    );
  });

  it("gives blocks back bit for bit", async () => {
    const checkpoint = await openCheckpoint(memoryStore(), RUN);
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: 9999 }), anyBlock, async (index, block) => {
        await checkpoint.saveBlock(index, block);
        expect(await checkpoint.block(index)).toStrictEqual(block);
      }),
      { numRuns: 50 },
    );
  });

  it("is gone on with by the same run, and empty once cleared", async () => {
    const store = memoryStore();
    const first = await openCheckpoint(store, RUN);
    await first.saveBatch(1, Float32Array.of(1, 2));
    const second = await openCheckpoint(store, RUN);
    expect(await second.batch(0)).toBeUndefined();
    expect(await second.batch(1)).toEqual(Float32Array.of(1, 2));
    expect(await second.block(0)).toBeUndefined();
    await second.clear();
    expect(store.entries.size).toBe(0);
  });

  it("of another run is refused before any work, saying whose it is", async () => {
    const store = memoryStore();
    await (await openCheckpoint(store, RUN)).saveBlock(0, BLOCK);
    const other: RunIdentity = { fingerprint: "b".repeat(64), description: '"other", W2A4 (brecq), seed 1' };
    const refused = openCheckpoint(store, other);
    await expect(refused).rejects.toMatchObject({
      code: "foreign-checkpoint",
      message: expect.stringMatching(/memory belongs to another run: "net".*this one is "other"/),
    });
    // The same in words, but not the same.
    await expect(openCheckpoint(store, { ...RUN, fingerprint: other.fingerprint })).rejects.toMatchObject({
      code: "foreign-checkpoint",
      message: expect.stringContaining("with other weights"),
    });
  });

  it("refuses a single entry of another run", async () => {
    const store = memoryStore();
    const checkpoint = await openCheckpoint(store, RUN);
    const other = { ...RUN, fingerprint: "c".repeat(64) };
    await store.set("batch-0", await sealEntry("batch-0", other, new Uint8Array(4)));
    await expect(checkpoint.batch(0)).rejects.toMatchObject({ code: "foreign-checkpoint" });
  });

  it("refuses an entry of another version's format as foreign", async () => {
    const { createHash } = await import("node:crypto");
    const store = memoryStore();
    const checkpoint = await openCheckpoint(store, RUN);
    const bytes = await sealEntry("batch-0", RUN, new Uint8Array(4));
    bytes[8] = 2;
    const body = bytes.subarray(0, -32);
    store.entries.set("batch-0", Buffer.concat([body, createHash("sha256").update(body).digest()]));
    await expect(checkpoint.batch(0)).rejects.toMatchObject({
      code: "foreign-checkpoint",
      message: expect.stringContaining("another version"),
    });
  });

  it("does not take an entry under another's key", async () => {
    const store = memoryStore();
    const { checkpoint, notes } = await noted(store);
    await checkpoint.saveBatch(0, Float32Array.of(1));
    store.entries.set("batch-1", store.entries.get("batch-0")!);
    expect(await checkpoint.batch(1)).toBeUndefined();
    expect(notes).toEqual([expect.stringContaining('it was written as "batch-0"')]);
  });

  it("takes nothing after a bit flip in any byte, a cut at any length, or bytes appended, and says so", async () => {
    const store = memoryStore();
    const { checkpoint, notes } = await noted(store);
    await checkpoint.saveBlock(3, BLOCK);
    const good = store.entries.get("block-3")!;
    const refused = async (bytes: Uint8Array): Promise<void> => {
      store.entries.set("block-3", bytes);
      expect(await checkpoint.block(3)).toBeUndefined();
      expect(notes.splice(0)).toEqual([
        expect.stringMatching(
          /^entry "block-3" of the checkpoint in memory is damaged: .*; it is computed anew$/,
        ),
      ]);
    };
    for (let at = 0; at < good.length; at++) {
      const flipped = good.slice();
      flipped[at]! ^= 1 << (at % 8);
      await refused(flipped);
      await refused(good.slice(0, at));
    }
    await refused(Uint8Array.of(...good, 0));
    store.entries.set("block-3", good);
    expect(await checkpoint.block(3)).toStrictEqual(BLOCK);
  });

  it("knows its own entries where the owner's is damaged in any byte, refuses another's, and writes the owner's anew", async () => {
    const store = memoryStore();
    const checkpoint = await openCheckpoint(store, RUN);
    // A run that is refused before its first result leaves nothing behind.
    expect(store.entries.size).toBe(0);
    await checkpoint.saveBlock(0, BLOCK);
    const good = store.entries.get("run")!;
    for (let at = 0; at < good.length; at++) {
      const flipped = good.slice();
      flipped[at]! ^= 1 << (at % 8);
      store.entries.set("run", flipped);
      const again = await noted(store);
      expect(again.notes).toEqual([expect.stringMatching(/^entry "run" .* is damaged: .* one by one$/)]);
      expect(await again.checkpoint.block(0)).toStrictEqual(BLOCK);
      const other = await openCheckpoint(store, { ...RUN, fingerprint: "b".repeat(64) });
      await expect(other.block(0)).rejects.toMatchObject({ code: "foreign-checkpoint" });
      await again.checkpoint.saveBatch(0, Float32Array.of(1));
      expect(store.entries.get("run")).toEqual(good);
    }
  });

  it("refuses a place that cannot be read before any work", async () => {
    const unreadable = new GenieError("malformed-file", "cannot read the checkpoint in memory: EIO");
    const store = { ...memoryStore(), get: () => Promise.reject(unreadable) };
    await expect(openCheckpoint(store, RUN)).rejects.toBe(unreadable);
  });

  it("is held until released, also if it is refused", async () => {
    let holders = 0;
    const store = {
      ...memoryStore(),
      async hold() {
        holders++;
        return async () => void holders--;
      },
    };
    const checkpoint = await openCheckpoint(store, RUN);
    await checkpoint.saveBlock(0, BLOCK);
    expect(holders).toBe(1);
    await checkpoint.release();
    expect(holders).toBe(0);
    await expect(openCheckpoint(store, { ...RUN, fingerprint: "b".repeat(64) })).rejects.toThrow();
    expect(holders).toBe(0);
  });

  it("never takes well-sealed nonsense for a block", async () => {
    const store = memoryStore();
    const { checkpoint, notes } = await noted(store);
    await checkpoint.saveBlock(0, BLOCK);
    const refused = async (payload: Uint8Array): Promise<void> => {
      await store.set("block-0", await sealEntry("block-0", RUN, payload));
      expect(await checkpoint.block(0)).toBeUndefined();
      expect(notes.splice(0)).toHaveLength(1);
    };
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 40 }), refused), { numRuns: 200 });
    // Nested too deep, and an array that claims 2^32 − 1 items.
    await refused(new Uint8Array(1e6).fill(0x81));
    await refused(Uint8Array.of(0x9a, 0xff, 0xff, 0xff, 0xff, 0));
    await refused(Uint8Array.of(0x5b, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0));
  });

  it("does not take a block whose shape does not fit its weights", async () => {
    const { checkpoint, notes } = await noted(memoryStore());
    const [name, tensor] = BLOCK.weights[0]!;
    await checkpoint.saveBlock(0, { ...BLOCK, weights: [[name, { ...tensor, shape: [2, 3] }]] });
    expect(await checkpoint.block(0)).toBeUndefined();
    expect(notes).toEqual([expect.stringContaining("shape")]);
  });
});
