import { Worker } from "node:worker_threads";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { shareStart } from "../../src/engine/collective.ts";
import { type join, sharedBytes } from "../../src/workers/collectives.ts";
import { byPorts } from "../support/members.ts";

/** ((a₀ + a₁) + a₂) + …, each sum rounded to float32. */
function expectedSum(arrays: readonly Float32Array[]): Float32Array {
  return arrays[0]!.map((_, i) =>
    arrays.slice(1).reduce((sum, array) => Math.fround(sum + array[i]!), arrays[0]![i]!),
  );
}

describe("sums over ports", () => {
  test.each([1, 2, 3, 5])("%i members get the same bits, added in the order of ranks", async (size) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 1000 }),
        async (lengths, seed) => {
          const members = byPorts(size);
          const values = members.map((_, rank) =>
            lengths.map((length, k) =>
              Float32Array.from(
                { length },
                (_, i) => Math.sin(seed * (rank + 1) + 7 * k + i) * 10 ** (i % 7),
              ),
            ),
          );
          const expected = lengths.map((_, k) => expectedSum(values.map((arrays) => arrays[k]!)));
          await Promise.all(members.map((member, rank) => member.sum(values[rank]!)));
          for (const member of members) member.close();
          for (const arrays of values) expect(arrays).toEqual(expected);
        },
      ),
      { numRuns: 15 },
    );
  });

  test("a member that is ahead waits in the inbox", async () => {
    const [a, b] = byPorts(2) as [ReturnType<typeof join>, ReturnType<typeof join>];
    const mine = [Float32Array.of(1), Float32Array.of(10)];
    const theirs = [Float32Array.of(2), Float32Array.of(20)];
    const ahead = a.sum([mine[0]!]).then(() => a.sum([mine[1]!]));
    await b.sum([theirs[0]!]);
    await new Promise((resolve) => setTimeout(resolve, 10));
    await b.sum([theirs[1]!]);
    await ahead;
    a.close();
    b.close();
    expect([...mine, ...theirs].map(([value]) => value)).toEqual([3, 30, 3, 30]);
  });
});

describe("sums over shared memory", () => {
  // A barrier blocks its thread, so each member needs one; the barrier is the built module's.
  test.each([2, 3])("%i threads, rounds larger than a slot, many times", async (size) => {
    const link = new SharedArrayBuffer(sharedBytes(size));
    const script = `
      const { parentPort, workerData } = require("node:worker_threads");
      import(workerData.module).then(async ({ join }) => {
        const { rank, size, link, lengths, times } = workerData;
        const member = join({ rank, size, link });
        let arrays;
        for (let time = 0; time < times; time++) {
          arrays = lengths.map((length) => Float32Array.from({ length }, (_, i) => (rank + 1) * ((i % 97) + time)));
          await member.sum(arrays);
        }
        parentPort.postMessage(arrays);
      });`;
    const module = await bundledCollectives();
    const lengths = [5, 2 ** 18 - 3, 0, 2 ** 18 + 7];
    const times = 7;
    const results = await Promise.all(
      Array.from(
        { length: size },
        (_, rank) =>
          new Promise<Float32Array[]>((resolve, reject) => {
            const workerData = { rank, size, link, lengths, times, module };
            const worker = new Worker(script, { eval: true, workerData });
            worker.on("message", resolve);
            worker.on("error", reject);
          }),
      ),
    );
    const factor = (size * (size + 1)) / 2;
    const expected = lengths.map((length) =>
      Float32Array.from({ length }, (_, i) => factor * ((i % 97) + times - 1)),
    );
    for (const result of results) {
      for (const [k, array] of result.entries()) {
        // One comparison of bytes: element by element would take seconds.
        expect(Buffer.from(array.buffer).equals(Buffer.from(expected[k]!.buffer))).toBe(true);
      }
    }
  });
});

describe("shares", () => {
  test("cover everything once, and differ by one at most", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5000 }), fc.integer({ min: 1, max: 64 }), (count, size) => {
        const lengths = Array.from(
          { length: size },
          (_, rank) => shareStart(count, rank + 1, size) - shareStart(count, rank, size),
        );
        expect(lengths.reduce((a, b) => a + b, 0)).toBe(count);
        expect(Math.max(...lengths) - Math.min(...lengths)).toBeLessThanOrEqual(1);
      }),
    );
  });
});

/** The module as JavaScript that a thread can import. */
async function bundledCollectives(): Promise<string> {
  const { build } = await import("esbuild");
  const { outputFiles } = await build({
    entryPoints: [new URL("../../src/workers/collectives.ts", import.meta.url).pathname],
    bundle: true,
    format: "esm",
    write: false,
  });
  return `data:text/javascript;base64,${Buffer.from(outputFiles[0]!.contents).toString("base64")}`;
}
