import { engine, grad, grads, type Tensor, tensor2d, tensor4d } from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { GenieError } from "../../src/errors.ts";
import { conv2d } from "../../src/kernels/conv2d.ts";
import { type Binary, initializeKernels } from "../../src/kernels/heap.ts";
import {
  type Case,
  convolutionCase,
  describeCase,
  naive,
  noise,
  outputSize,
  relativeError,
} from "./naiveConvolution.ts";

const TOLERANCE = 1e-5;

const pad = (top: number, bottom: number, left: number, right: number) => ({ top, bottom, left, right });

/** Sizes around the 4×8 tile, primes, every kind of geometry, strips of rows and of images. */
const CASES: Case[] = [
  ...[1, 3, 4, 5, 7, 8, 9, 13].map((c) => convolutionCase({ c, o: 5 })),
  ...[1, 2, 7, 8, 9, 15, 16, 17].map((o) => convolutionCase({ o, c: 4 })),
  // One to three channels on one side and whole vectors on the other, as images and generators have them.
  ...[1, 2, 3].flatMap((narrow) => [
    convolutionCase({ o: narrow, c: 8, h: 9 }),
    convolutionCase({ c: narrow, o: 12, h: 9, strides: [2, 1] }),
    convolutionCase({ o: 2 * narrow, c: 24, groups: 2, dilations: [1, 2] }),
    convolutionCase({ c: 2 * narrow, o: 8, groups: 2 }),
  ]),
  ...[1, 2, 3, 5].map((w) => convolutionCase({ h: 1, w, n: 3 })),
  ...[1, 2, 3].flatMap((s) =>
    [1, 2].map((d) => convolutionCase({ h: 11, w: 10, strides: [s, s], dilations: [d, d] })),
  ),
  convolutionCase({
    h: 9,
    w: 12,
    strides: [2, 3],
    dilations: [3, 2],
    kh: 2,
    kw: 4,
    padding: pad(2, 0, 1, 3),
  }),
  convolutionCase({ h: 13, w: 13, strides: [4, 4], dilations: [2, 2], padding: pad(0, 3, 2, 0) }),
  convolutionCase({ h: 5, w: 5, strides: [3, 2], padding: pad(0, 0, 0, 0), kh: 1, kw: 1, c: 9 }),
  convolutionCase({ h: 6, w: 7, padding: pad(0, 0, 0, 0), kh: 1, kw: 1, c: 17, o: 11 }),
  convolutionCase({ h: 6, w: 7, padding: pad(1, 0, 0, 2), kh: 1, kw: 1 }),
  convolutionCase({ h: 2, w: 3, kh: 5, kw: 7, padding: pad(4, 3, 2, 5) }),
  convolutionCase({ h: 3, w: 3, kh: 2, kw: 2, padding: pad(5, 6, 7, 4), strides: [3, 3] }),
  convolutionCase({ h: 8, w: 8, kh: 7, kw: 7, strides: [2, 2], padding: pad(3, 3, 3, 3), o: 10 }),
  convolutionCase({ h: 9, w: 9, padding: pad(0, 0, 0, 0), strides: [2, 2] }),
  convolutionCase({ h: 9, w: 8, padding: pad(0, 0, 0, 0) }),
  convolutionCase({ groups: 2, c: 6, o: 10 }),
  convolutionCase({ groups: 3, c: 9, o: 27, strides: [2, 2], dilations: [1, 2], h: 9, w: 9 }),
  convolutionCase({ groups: 6, c: 6, o: 6, kh: 1, kw: 1, padding: pad(0, 0, 0, 0) }),
  convolutionCase({ n: 37, h: 8, w: 8, c: 8, o: 9 }),
  convolutionCase({ n: 2, h: 41, w: 67, c: 19, o: 3 }),
  convolutionCase({ n: 2, h: 61, w: 67, c: 19, o: 3, strides: [2, 2] }),
];

/** y and both gradients by our op, with dy as the upstream gradient. */
function ours(
  { n, h, w, c, kh, kw, o, groups, geometry }: Case,
  data: Record<"x" | "filter" | "dy", Float32Array>,
  size: [number, number],
) {
  const x = tensor4d(data.x, [n, h, w, c]);
  const filter = tensor4d(data.filter, [kh, kw, c / groups, o]);
  const dy = tensor4d(data.dy, [n, ...size, o]);
  const y = conv2d(x, filter, { ...geometry, groups });
  const [dx, dFilter] = grads((x: Tensor, filter: Tensor) => conv2d(x, filter, { ...geometry, groups }))(
    [x, filter],
    dy,
  );
  expect(y.shape).toEqual(dy.shape);
  return { y: y.dataSync(), dx: dx!.dataSync(), dFilter: dFilter!.dataSync() };
}

function compare(convolution: Case): void {
  const { n, h, w, c, kh, kw, o, groups } = convolution;
  const size = outputSize(convolution);
  const data = {
    x: noise(n * h * w * c, 1),
    filter: noise((kh * kw * c * o) / groups, 2),
    dy: noise(n * size[0] * size[1] * o, 3),
  };
  const expected = naive(convolution, data.x, data.filter, data.dy);
  engine().startScope();
  const actual = ours(convolution, data, size);
  engine().endScope();
  for (const name of ["y", "dx", "dFilter"] as const) {
    expect(relativeError(actual[name], expected[name]), name).toBeLessThan(TOLERANCE);
  }
}

describe.each<Binary>(["baseline", "relaxed"])("conv2d, %s", (binary) => {
  beforeAll(() => initializeKernels({ binary }));

  it.each(CASES.map((convolution) => ({ name: describeCase(convolution), convolution })))(
    "equals the definition, with both gradients: $name",
    ({ convolution }) => compare(convolution),
  );

  it("equals the definition for any geometry", () => {
    const small = fc.integer({ min: 1, max: 4 });
    const border = fc.integer({ min: 0, max: 3 });
    const geometry = fc.record({
      strides: fc.tuple(small, small),
      dilations: fc.tuple(small, small),
      padding: fc.record({ top: border, bottom: border, left: border, right: border }),
    });
    const size = fc.integer({ min: 1, max: 12 });
    const sizes = { n: small, h: size, w: size, kh: small, kw: small };
    const channels = fc.record({ groups: fc.integer({ min: 1, max: 3 }), c: size, o: size });
    fc.assert(
      fc.property(fc.record({ geometry, ...sizes }), channels, (rest, { groups, c, o }) => {
        const convolution: Case = { ...rest, groups, c: c * groups, o: o * groups };
        fc.pre(Math.min(...outputSize(convolution)) >= 1);
        compare(convolution);
      }),
      { numRuns: 150, seed: 20240913 },
    );
  });

  it("keeps no input for the backward pass when the filter is frozen", () => {
    const { geometry } = convolutionCase();
    const shape: [number, number, number, number] = [1, 5, 5, 4];
    const filter = tensor4d(noise(3 * 3 * 4 * 4, 2), [3, 3, 4, 4]);
    /** Buffers alive between forward and backward pass. */
    const alive = (frozenFilter: boolean): number => {
      let count = 0;
      const twice = (x: Tensor): Tensor => {
        const apply = (input: Tensor): Tensor => conv2d(input, filter, geometry, { frozenFilter });
        const y = engine().tidy(() => apply(apply(x)));
        count = engine().memory().numDataBuffers;
        return y;
      };
      engine().tidy(() => {
        grad(twice)(tensor4d(noise(100, 1), shape));
      });
      return count;
    };
    expect(alive(true)).toBe(alive(false) - 1);
  });

  it("refuses shapes that do not fit", () => {
    const x = tensor4d(noise(75, 1), [1, 5, 5, 3]);
    const { geometry } = convolutionCase({ padding: pad(0, 0, 0, 0) });
    const filterOf = (shape: [number, number, number, number]) =>
      tensor4d(noise(shape[0] * shape[1] * shape[2] * shape[3], 1), shape);
    expect(() => conv2d(x, filterOf([3, 3, 4, 8]), geometry)).toThrow(GenieError);
    expect(() => conv2d(x, filterOf([3, 3, 1, 8]), { ...geometry, groups: 3 })).toThrow(GenieError);
    expect(() => conv2d(x, filterOf([6, 3, 3, 8]), geometry)).toThrow(/does not fit/);
    expect(() => conv2d(tensor2d(noise(75, 1), [25, 3]), filterOf([3, 3, 3, 8]), geometry)).toThrow(/rank 4/);
  });
});
