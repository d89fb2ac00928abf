import { grads, type Tensor, tensor4d, tidy } from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { conv2d } from "../../src/kernels/conv2d.ts";
import {
  address,
  type Binary,
  emptyTensor,
  initializeKernels,
  kernels,
  view,
} from "../../src/kernels/heap.ts";
import {
  type UnitConvolution,
  winograd,
  winogradFilterGradient,
  winogradPays,
} from "../../src/kernels/winograd.ts";
import {
  type Case,
  convolutionCase,
  describeCase,
  naive,
  noise,
  outputSize,
  relativeError,
} from "./naiveConvolution.ts";

/**
 * Of the largest value. A direct sum in float32 comes to 1e-6 for the 36 channels here, Winograd's with its points at
 * ±3/4 and ±3/2 to twice that; with points at ±1 and ±2 it would be five times.
 */
const TOLERANCE = 3e-6;

const SIZES = [1, 2, 3, 4, 5, 7, 8];

const pad = (top: number, bottom: number, left: number, right: number) => ({ top, bottom, left, right });

/** Every height with another width, every number of channels with another, all kinds of padding. */
const CASES: Case[] = [
  ...SIZES.flatMap((h, i) =>
    [0, 2, 5].map((step) => convolutionCase({ h, w: SIZES[(i + step) % 7]!, c: 8 })),
  ),
  ...[4, 8, 12, 16, 20, 36].flatMap((c, i) =>
    [0, 1, 3].map((step) => convolutionCase({ c, o: [4, 8, 12, 16, 20, 36][(i + step) % 6]!, h: 5, w: 9 })),
  ),
  convolutionCase({ h: 9, w: 7, c: 4, o: 4, padding: pad(0, 0, 0, 0) }),
  convolutionCase({ h: 6, w: 11, c: 4, o: 4, padding: pad(2, 0, 0, 2) }),
  convolutionCase({ h: 3, w: 2, c: 4, o: 4, padding: pad(4, 5, 6, 3) }),
  convolutionCase({ h: 1, w: 1, c: 4, o: 4, padding: pad(7, 0, 9, 5) }),
  // Several strips, of rows of tiles and of images, with a remainder.
  convolutionCase({ n: 2, h: 65, w: 83, c: 8, o: 12 }),
  convolutionCase({ n: 23, h: 8, w: 8, c: 36, o: 20 }),
];

const sizesOf = (convolution: Case): UnitConvolution => {
  const { n, h, w, c, o, geometry } = convolution;
  const [oh, ow] = outputSize(convolution);
  return { n, h, w, c, o, top: geometry.padding.top, left: geometry.padding.left, oh, ow };
};

const transposed = ({ n, h, w, c, o, top, left, oh, ow }: UnitConvolution): UnitConvolution => ({
  n,
  h: oh,
  w: ow,
  c: o,
  o: c,
  top: 2 - top,
  left: 2 - left,
  oh: h,
  ow: w,
});

function operands(convolution: Case) {
  const { n, h, w, c, o } = convolution;
  const [oh, ow] = outputSize(convolution);
  return { x: noise(n * h * w * c, 1), filter: noise(9 * c * o, 2), dy: noise(n * oh * ow * o, 3) };
}

/** y and both gradients by the kernels, whether it pays or not. */
function byWinograd(convolution: Case): { y: Float32Array; dx: Float32Array; dFilter: Float32Array } {
  const { n, h, w, c, o } = convolution;
  const sizes = sizesOf(convolution);
  const data = operands(convolution);
  return tidy(() => {
    const x = tensor4d(data.x, [n, h, w, c]);
    const filter = tensor4d(data.filter, [3, 3, c, o]);
    const dy = tensor4d(data.dy, [n, sizes.oh, sizes.ow, o]);
    const y = emptyTensor(dy.shape);
    const dx = emptyTensor(x.shape);
    winograd(x, filter, y, sizes, false);
    winograd(dy, filter, dx, transposed(sizes), true);
    const dFilter = emptyTensor(filter.shape);
    winogradFilterGradient(x, dy, dFilter, sizes);
    const values = (tensor: Tensor) => tensor.dataSync() as Float32Array;
    return { y: values(y), dx: values(dx), dFilter: values(dFilter) };
  });
}

function expectedOf(convolution: Case) {
  const { x, filter, dy } = operands(convolution);
  return naive(convolution, x, filter, dy);
}

describe.each<Binary>(["baseline", "relaxed"])("winograd, %s", (binary) => {
  beforeAll(() => initializeKernels({ binary }));

  it.each(CASES.map((convolution) => ({ name: describeCase(convolution), convolution })))(
    "equals the definition, forward, by input and by filter: $name",
    ({ convolution }) => {
      const expected = expectedOf(convolution);
      const actual = byWinograd(convolution);
      expect(relativeError(actual.y, expected.y), "y").toBeLessThan(TOLERANCE);
      expect(relativeError(actual.dx, expected.dx), "dx").toBeLessThan(TOLERANCE);
      expect(relativeError(actual.dFilter, expected.dFilter), "dFilter").toBeLessThan(TOLERANCE);
    },
  );

  it("is what conv2d computes where it pays, and is not asked where it cannot", () => {
    const channels = [1, 3, 7, 8, 9, 16, 17, 33];
    for (const [i, c] of channels.entries()) {
      for (const step of [0, 3, 5]) {
        const convolution = convolutionCase({ c, o: channels[(i + step) % 8]!, h: 7, w: 8, n: 3 });
        const { n, h, w, o, geometry } = convolution;
        const [oh, ow] = outputSize(convolution);
        const data = operands(convolution);
        const apply = (x: Tensor, filter: Tensor) => conv2d(x, filter, geometry);
        const actual = tidy(() => {
          const x = tensor4d(data.x, [n, h, w, c]);
          const filter = tensor4d(data.filter, [3, 3, c, o]);
          const y = apply(x, filter).dataSync();
          const [dx, dFilter] = grads(apply)([x, filter], tensor4d(data.dy, [n, oh, ow, o]));
          return { y, dx: dx!.dataSync(), dFilter: dFilter!.dataSync() };
        });
        const expected = expectedOf(convolution);
        expect(relativeError(actual.y, expected.y), `y ${c}→${o}`).toBeLessThan(TOLERANCE);
        expect(relativeError(actual.dx, expected.dx), `dx ${c}→${o}`).toBeLessThan(TOLERANCE);
        expect(relativeError(actual.dFilter, expected.dFilter), `dFilter ${c}→${o}`).toBeLessThan(TOLERANCE);
        if (winogradPays(sizesOf(convolution))) {
          expect(actual.y).toEqual(byWinograd(convolution).y);
          expect(actual.dx).toEqual(byWinograd(convolution).dx);
          expect(actual.dFilter).toEqual(byWinograd(convolution).dFilter);
        }
      }
    }
  });

  it.each(["winograd", "winogradFilterGradient"] as const)(
    "%s writes nothing but its output and its scratch",
    (operator) => {
      const size = fc.integer({ min: 1, max: 13 });
      const border = fc.integer({ min: -1, max: 3 });
      const vectors = fc.integer({ min: 1, max: 5 });
      const [guard, value] = [16, 12345.5];
      fc.assert(
        fc.property(
          fc.record({ n: fc.integer({ min: 1, max: 4 }), h: size, w: size, oh: size, ow: size }),
          fc.record({ top: border, left: border, c: vectors, o: vectors }),
          ({ n, h, w, oh, ow }, { top, left, c: inVectors, o: outVectors }) => {
            tidy(() => {
              const [c, o] = [4 * inVectors, 4 * outVectors];
              const wasm = kernels();
              const isGradient = operator === "winogradFilterGradient";
              const [headerBytes, scratchBytes] = isGradient
                ? ([wasm.winogradFilterHeaderBytes, wasm.winogradFilterScratch] as const)
                : ([wasm.winogradHeaderBytes, wasm.winogradScratch] as const);
              const x = address(tensor4d(noise(n * h * w * c, 1), [n, h, w, c]));
              const filter = address(tensor4d(noise(9 * c * o, 2), [3, 3, c, o]));
              const dy = address(tensor4d(noise(n * oh * ow * o, 3), [n, oh, ow, o]));
              const bytes = scratchBytes(address(emptyTensor([headerBytes() / 4])), n, w, c, o, oh, ow);
              const outFloats = isGradient ? 9 * c * o : n * oh * ow * o;
              const scratchFloats = bytes / 4;
              // guard, output, guard, scratch on 16 bytes, guard
              const arena = emptyTensor([outFloats + scratchFloats + 4 * guard]);
              view(arena).fill(value);
              const out = address(arena) + guard * 4;
              const memory = (out + (outFloats + guard) * 4 + 15) & ~15;
              const sizes = [n, h, w, c, o, top, left, oh, ow] as const;
              if (isGradient) wasm.winogradFilterGradient(x, dy, out, memory, ...sizes);
              else wasm.winograd(x, filter, out, memory, ...sizes, false);
              const floats = view(arena);
              const scratchAt = (memory - address(arena)) / 4;
              const around = [
                ...floats.subarray(0, guard),
                ...floats.subarray(guard + outFloats, scratchAt),
                ...floats.subarray(scratchAt + scratchFloats),
              ];
              expect(around.every((float) => float === value)).toBe(true);
              expect(floats.subarray(guard, guard + outFloats).every((float) => float !== value)).toBe(true);
            });
          },
        ),
        { numRuns: 100, seed: 20240913 },
      );
    },
  );
});

describe("winogradPays", () => {
  const layer = (n: number, size: number, c: number, o: number): UnitConvolution => ({
    n,
    h: size,
    w: size,
    c,
    o,
    top: 1,
    left: 1,
    oh: size,
    ow: size,
  });

  it("is for layers of whole vectors, with enough channels and tiles", () => {
    expect(winogradPays(layer(128, 32, 16, 16))).toBe(true);
    expect(winogradPays(layer(128, 8, 64, 64))).toBe(true);
    expect(winogradPays(layer(128, 32, 8, 8))).toBe(true);
    expect(winogradPays(layer(1, 8, 64, 64))).toBe(true);
    expect(winogradPays(layer(128, 32, 3, 64))).toBe(false);
    expect(winogradPays(layer(128, 32, 16, 18))).toBe(false);
    expect(winogradPays(layer(128, 32, 4, 4))).toBe(false);
    expect(winogradPays(layer(1, 7, 512, 512))).toBe(false);
    expect(winogradPays(layer(32, 2, 32, 32))).toBe(false);
  });
});
