/** Kernels write to raw addresses: nothing but their output and their scratch may change. */
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import {
  address,
  type Binary,
  emptyTensor,
  initializeKernels,
  kernels,
  view,
} from "../../src/kernels/heap.ts";
import { type Case, noise, outputSize } from "./naiveConvolution.ts";

/** Floats of arena, large enough for every case below. */
const ARENA = 1 << 20;
/** Floats between two allocations, and the value that they hold. */
const GUARD = 16;
const GUARD_VALUE = 12345.5;

/** Hands out memory with guards before, between and after. */
class Arena {
  readonly #tensor = emptyTensor([ARENA]);
  readonly #guards: number[] = [];
  #top = 0;

  constructor() {
    view(this.#tensor).fill(GUARD_VALUE);
    this.#guard();
  }

  allocate(bytes: number): number {
    const at = this.#top;
    this.#top += Math.ceil(bytes / 4);
    this.#guard();
    if (this.#top > ARENA) throw new Error("the arena is too small");
    return address(this.#tensor) + at * 4;
  }

  floats(count: number, seed: number): number {
    const at = this.allocate(count * 4);
    view(this.#tensor).set(noise(count, seed), (at - address(this.#tensor)) / 4);
    return at;
  }

  /** Whether all guards still hold their value; frees everything. */
  check(): boolean {
    const floats = view(this.#tensor);
    const intact = this.#guards.every((from) =>
      floats.subarray(from, from + GUARD).every((value) => value === GUARD_VALUE),
    );
    this.#tensor.dispose();
    return intact;
  }

  #guard(): void {
    // Allocations start at multiples of 16 bytes; tensors only at multiples of 8.
    const misaligned = ((address(this.#tensor) >> 2) + this.#top) & 3;
    this.#guards.push(this.#top);
    this.#top += GUARD + ((4 - misaligned) & 3);
  }
}

const size = fc.integer({ min: 1, max: 11 });
const small = fc.integer({ min: 1, max: 3 });
const border = fc.integer({ min: 0, max: 3 });
const cases = fc.record({
  n: fc.integer({ min: 1, max: 5 }),
  h: size,
  w: size,
  kh: small,
  kw: small,
  geometry: fc.record({
    strides: fc.tuple(small, small),
    dilations: fc.tuple(small, small),
    padding: fc.record({ top: border, bottom: border, left: border, right: border }),
  }),
});

describe.each<Binary>(["baseline", "relaxed"])("memory, %s", (binary) => {
  beforeAll(() => initializeKernels({ binary }));

  it("is left alone by convolutions", () => {
    fc.assert(
      fc.property(cases, fc.record({ c: size, o: size, groups: small }), (rest, { c, o, groups }) => {
        const convolution: Case = { ...rest, c: c * groups, o: o * groups, groups };
        const [oh, ow] = outputSize(convolution);
        fc.pre(Math.min(oh, ow) >= 1);
        const { n, h, w, kh, kw, geometry } = convolution;
        const { strides, dilations, padding } = geometry;
        const sizes = [n, h, w, c * groups, kh, kw, o * groups, groups] as const;
        const args = [...sizes, ...strides, ...dilations, padding.top, padding.left, oh, ow] as const;
        const wasm = kernels();
        const arena = new Arena();
        const header = arena.allocate(wasm.convHeaderBytes());
        const x = arena.floats(n * h * w * c * groups, 1);
        const filter = arena.floats(kh * kw * c * o * groups, 2);
        const y = arena.floats(n * oh * ow * o * groups, 3);
        wasm.conv2d(x, filter, y, arena.allocate(wasm.conv2dScratch(header, ...args)), ...args);
        const dxScratch = arena.allocate(wasm.conv2dInputGradientScratch(header, ...args));
        wasm.conv2dInputGradient(y, filter, x, dxScratch, ...args);
        const filterScratch = arena.allocate(wasm.conv2dFilterGradientScratch(header, ...args));
        wasm.conv2dFilterGradient(x, y, filter, filterScratch, ...args);
        expect(arena.check()).toBe(true);
      }),
      { numRuns: 150, seed: 20240913 },
    );
  });

  it("is left alone by depthwise convolutions", () => {
    fc.assert(
      fc.property(cases, fc.integer({ min: 1, max: 19 }), (rest, c) => {
        const [oh, ow] = outputSize({ ...rest, c, o: c, groups: c });
        fc.pre(Math.min(oh, ow) >= 1);
        const { n, h, w, kh, kw, geometry } = rest;
        const { strides, dilations, padding } = geometry;
        const args = [
          n,
          h,
          w,
          c,
          kh,
          kw,
          ...strides,
          ...dilations,
          padding.top,
          padding.left,
          oh,
          ow,
        ] as const;
        const wasm = kernels();
        const arena = new Arena();
        const x = arena.floats(n * h * w * c, 1);
        const filter = arena.floats(kh * kw * c, 2);
        const y = arena.floats(n * oh * ow * c, 3);
        wasm.depthwise(x, filter, y, arena.allocate(wasm.depthwiseScratch()), ...args);
        wasm.depthwiseInputGradient(y, filter, x, arena.allocate(wasm.depthwiseScratch()), ...args);
        const filterScratch = arena.allocate(wasm.depthwiseFilterGradientScratch(c, kh, kw));
        wasm.depthwiseFilterGradient(x, y, filter, filterScratch, ...args);
        expect(arena.check()).toBe(true);
      }),
      { numRuns: 150, seed: 20240913 },
    );
  });

  it("is left alone by matrix products", () => {
    const dimension = fc.integer({ min: 1, max: 140 });
    fc.assert(
      fc.property(
        dimension,
        dimension,
        dimension,
        fc.boolean(),
        fc.boolean(),
        (m, n, k, transposeA, transposeB) => {
          const arena = new Arena();
          const [a, b, c] = [arena.floats(m * k, 1), arena.floats(k * n, 2), arena.floats(m * n, 3)];
          const memory = arena.allocate(kernels().matMulScratch(m, n, k));
          kernels().matMul(a, b, c, m, n, k, transposeA, transposeB, memory);
          expect(arena.check()).toBe(true);
        },
      ),
      { numRuns: 60, seed: 20240913 },
    );
  });
});
