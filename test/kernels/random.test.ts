import { beforeAll, describe, expect, it } from "vitest";
import {
  address,
  type Binary,
  emptyTensor,
  initializeKernels,
  kernels,
  view,
} from "../../src/kernels/heap.ts";
import { randomIntegers, randomNormal, randomPermutation, randomUniform } from "../../src/kernels/random.ts";

/** The four words of one Philox block. */
function block(counter: number[], key: number[]): number[] {
  const tensor = emptyTensor([16]);
  const [c0, c1, c2, c3] = counter as [number, number, number, number];
  kernels().randomBlocks(address(tensor), c0, c1, c2, c3, key[0]!, key[1]!);
  const words = new Uint32Array(view(tensor).slice().buffer);
  tensor.dispose();
  return [0, 4, 8, 12].map((word) => words[word]!);
}

/** Philox 4×32-10 in 64-bit integers, straight from the paper's definition. */
function philox(counter: number[], key: number[]): number[] {
  let [a, b, c, d] = counter.map(BigInt) as [bigint, bigint, bigint, bigint];
  let [k0, k1] = key.map(BigInt) as [bigint, bigint];
  const word = 0xffffffffn;
  for (let round = 0; round < 10; round++) {
    const p0 = 0xd2511f53n * a;
    const p1 = 0xcd9e8d57n * c;
    [a, b, c, d] = [(p1 >> 32n) ^ b ^ k0, p1 & word, (p0 >> 32n) ^ d ^ k1, p0 & word];
    k0 = (k0 + 0x9e3779b9n) & word;
    k1 = (k1 + 0xbb67ae85n) & word;
  }
  return [a, b, c, d].map(Number);
}

function moments(values: ArrayLike<number>): number[] {
  return [1, 2, 3, 4].map(
    (power) => Array.from(values).reduce((sum, x) => sum + x ** power, 0) / values.length,
  );
}

describe.each<Binary>(["baseline", "relaxed"])("random numbers, %s", (binary) => {
  beforeAll(async () => {
    await initializeKernels({ binary });
  });

  it("Philox gives its published known answers", () => {
    const ones = 0xffffffff;
    expect(block([0, 0, 0, 0], [0, 0])).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
    expect(block([ones, ones, ones, ones], [ones, ones])).toEqual([
      0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd,
    ]);
    expect(block([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0])).toEqual([
      0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1,
    ]);
  });

  it("all four counters of a group are Philox blocks", () => {
    const tensor = emptyTensor([16]);
    kernels().randomBlocks(address(tensor), 40, 5, 6, 7, 123, 4_000_000_000);
    const words = new Uint32Array(view(tensor).slice().buffer);
    for (let lane = 0; lane < 4; lane++) {
      const expected = philox([40 + lane, 5, 6, 7], [123, 4_000_000_000]);
      expect([0, 4, 8, 12].map((word) => words[word + lane])).toEqual(expected);
    }
    tensor.dispose();
  });

  it("normals have the moments of N(0, 1), streams and neighbours are uncorrelated", () => {
    const count = 400_000;
    const x = view(randomNormal([count], 7, 1)).slice();
    const [mean, variance, skew, kurtosis] = moments(x) as [number, number, number, number];
    // Five standard errors each.
    expect(Math.abs(mean)).toBeLessThan(5 / Math.sqrt(count));
    expect(Math.abs(variance - 1)).toBeLessThan(5 * Math.sqrt(2 / count));
    expect(Math.abs(skew)).toBeLessThan(5 * Math.sqrt(15 / count));
    expect(Math.abs(kurtosis - 3)).toBeLessThan(5 * Math.sqrt(96 / count));
    const beyond = x.filter((v) => Math.abs(v) > 2).length / count;
    expect(Math.abs(beyond - 0.0455003)).toBeLessThan(5 * Math.sqrt(0.0455 / count));
    const others = [
      view(randomNormal([count], 7, 2)).slice(),
      view(randomNormal([count], 8, 1)).slice(),
      ...[1, 4, 8, 16].map((lag) => Float32Array.from(x, (_, i) => x[(i + lag) % count]!)),
    ];
    for (const other of others) {
      const correlation = x.reduce((sum, v, i) => sum + v * other[i]!, 0) / count;
      expect(Math.abs(correlation)).toBeLessThan(5 / Math.sqrt(count));
    }
  });

  it("normals are Box–Muller of the words", () => {
    const words = [0, 1, 2, 3].map((lane) => philox([lane, 0, 0, 0], [9, 3]));
    const x = view(randomNormal([16], 9, 3));
    words.forEach((w, lane) => {
      for (const half of [0, 2]) {
        const radius = Math.sqrt(-2 * Math.log(((w[half]! >>> 8) + 1) / 2 ** 24));
        const angle = (2 * Math.PI * (w[half + 1]! >>> 8)) / 2 ** 24;
        expect(x[4 * half + lane]).toBeCloseTo(radius * Math.cos(angle), 5);
        expect(x[4 * half + 4 + lane]).toBeCloseTo(radius * Math.sin(angle), 5);
      }
    });
  });

  it("uniforms fill their range evenly", () => {
    const x = view(randomUniform([160_000], 3, 4, -2, 6)).slice();
    const counts = new Array<number>(16).fill(0);
    for (const value of x) counts[Math.floor((value + 2) * 2)]!++;
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(5 * 100);
    expect(Math.min(...x.slice(0, 1000))).toBeGreaterThanOrEqual(-2);
  });

  it.each([1, 3, 4, 5, 7, 127, 128, 129, 1009])("%d values are the first of more", (count) => {
    for (const draw of [
      (n: number) => randomNormal([n], 5, 6),
      (n: number) => randomUniform([n], 5, 6, 0, 1),
    ]) {
      expect([...view(draw(count))]).toEqual([...view(draw(2000)).slice(0, count)]);
    }
  });

  it("integers are in range, even and unbiased", () => {
    const draws = randomIntegers(30_000, 3, 1, 2);
    for (const value of [0, 1, 2]) {
      expect(Math.abs(draws.filter((draw) => draw === value).length - 10_000)).toBeLessThan(500);
    }
    // A bound of ¾·2³²/2: plain remainders would make the lower half of the range twice as likely.
    const bound = 3 * 2 ** 29;
    const low = randomIntegers(20_000, bound, 1, 3).filter((draw) => draw < bound / 2).length;
    expect(Math.abs(low - 10_000)).toBeLessThan(400);
    expect([...randomIntegers(5, 1, 0, 0)]).toEqual([0, 0, 0, 0, 0]);
    expect(() => randomIntegers(1, 0, 0, 0)).toThrow("bound");
  });

  it("permutations are permutations, all equally likely", () => {
    expect([...randomPermutation(1000, 1, 1)].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 1000 }, (_, i) => i),
    );
    const seen = new Map<string, number>();
    for (let stream = 0; stream < 6000; stream++) {
      const key = randomPermutation(3, 2, stream).join("");
      seen.set(key, (seen.get(key) ?? 0) + 1);
    }
    expect(seen.size).toBe(6);
    for (const count of seen.values()) expect(Math.abs(count - 1000)).toBeLessThan(150);
    expect([...randomPermutation(0, 1, 1)]).toEqual([]);
  });

  it.each([
    [-1, 0],
    [0.5, 0],
    [0, 2 ** 32],
    [Number.NaN, 0],
  ])("refuses the key (%d, %d)", (seed, stream) => {
    expect(() => randomNormal([1], seed, stream)).toThrow("seed");
  });
});

it("both binaries give the same bits", async () => {
  const draws: Float32Array[] = [];
  for (const binary of ["baseline", "relaxed"] as const) {
    await initializeKernels({ binary });
    draws.push(
      view(randomNormal([10_007], 11, 12)).slice(),
      view(randomUniform([10_007], 1, 2, -0.3, 7.7)).slice(),
    );
  }
  const [normal, uniform, otherNormal, otherUniform] = draws.map((draw) => new Uint32Array(draw.buffer));
  expect(otherNormal).toEqual(normal);
  expect(otherUniform).toEqual(uniform);
});
