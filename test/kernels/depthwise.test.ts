import { engine, grads, type Tensor, tensor4d } from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { GenieError } from "../../src/errors.ts";
import { depthwiseConv2d } from "../../src/kernels/depthwise.ts";
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

/** A depthwise convolution is a grouped one with a group for each channel. */
function depthwiseCase(options: Parameters<typeof convolutionCase>[0] & { c: number }, multiplier = 1): Case {
  return convolutionCase({ ...options, groups: options.c, o: options.c * multiplier });
}

const pad = (top: number, bottom: number, left: number, right: number) => ({ top, bottom, left, right });

const CASES: Case[] = [
  ...[1, 3, 4, 5, 7, 8, 13, 16, 17, 20].map((c) => depthwiseCase({ c })),
  ...[1, 2, 3, 4, 5, 7, 8, 9].map((w) => depthwiseCase({ c: 4, h: 3, w })),
  ...[1, 2, 3].flatMap((s) =>
    [1, 2].map((d) => depthwiseCase({ c: 8, h: 11, w: 10, strides: [s, s], dilations: [d, d] })),
  ),
  depthwiseCase({
    c: 5,
    h: 9,
    w: 12,
    strides: [2, 3],
    dilations: [3, 2],
    kh: 2,
    kw: 4,
    padding: pad(2, 0, 1, 3),
  }),
  depthwiseCase({ c: 4, h: 13, w: 13, strides: [4, 4], dilations: [2, 2], padding: pad(0, 3, 2, 0) }),
  // Rows of outputs come in blocks that fit a cache: here of several sizes, the last of them shorter.
  ...[129, 84, 31].flatMap((w) =>
    [0, 1].map((p) => depthwiseCase({ n: 2, c: 37, h: 11, w, strides: [2, 2], padding: pad(p, 1, p, 1) })),
  ),
  depthwiseCase({ c: 12, h: 15, w: 14, kh: 5, kw: 5, padding: pad(2, 2, 2, 2) }),
  depthwiseCase({ c: 12, h: 15, w: 14, kh: 5, kw: 5, padding: pad(1, 2, 1, 2), strides: [2, 2] }),
  depthwiseCase({ c: 3, h: 2, w: 3, kh: 5, kw: 7, padding: pad(4, 3, 2, 5) }),
  depthwiseCase({ c: 8, h: 9, w: 9, padding: pad(0, 0, 0, 0) }),
  depthwiseCase({ c: 6 }, 2),
  depthwiseCase({ c: 4, strides: [2, 2] }, 3),
  depthwiseCase({ n: 33, c: 20, h: 7, w: 7 }),
  // Pixels a multiple of cache lines apart: a few rows at a time.
  depthwiseCase({ c: 64, h: 17, w: 19 }),
  depthwiseCase({ c: 128, h: 18, w: 15, strides: [2, 2] }),
  depthwiseCase({ c: 24, h: 61, w: 67 }),
  depthwiseCase({ c: 22, h: 61, w: 67, strides: [2, 2] }),
];

function compare(convolution: Case): void {
  const { n, h, w, c, kh, kw, o, geometry } = convolution;
  const size = outputSize(convolution);
  const data = {
    x: noise(n * h * w * c, 1),
    filter: noise(kh * kw * o, 2),
    dy: noise(n * size[0] * size[1] * o, 3),
  };
  const expected = naive(convolution, data.x, data.filter, data.dy);
  engine().tidy(() => {
    const inputs = [tensor4d(data.x, [n, h, w, c]), tensor4d(data.filter, [kh, kw, c, o / c])] as const;
    const dy = tensor4d(data.dy, [n, ...size, o]);
    const y = depthwiseConv2d(...inputs, geometry);
    expect(y.shape).toEqual(dy.shape);
    const gradients = grads((x: Tensor, filter: Tensor) => depthwiseConv2d(x, filter, geometry));
    const [dx, dFilter] = gradients([...inputs], dy);
    expect(relativeError(y.dataSync(), expected.y), "y").toBeLessThan(TOLERANCE);
    expect(relativeError(dx!.dataSync(), expected.dx), "dx").toBeLessThan(TOLERANCE);
    expect(relativeError(dFilter!.dataSync(), expected.dFilter), "dFilter").toBeLessThan(TOLERANCE);
  });
}

describe.each<Binary>(["baseline", "relaxed"])("depthwiseConv2d, %s", (binary) => {
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
    const sizes = fc.record({ geometry, n: small, h: size, w: size, kh: small, kw: small });
    fc.assert(
      fc.property(
        sizes,
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 3 }),
        (rest, c, multiplier) => {
          const convolution: Case = { ...rest, c, groups: c, o: c * multiplier };
          fc.pre(Math.min(...outputSize(convolution)) >= 1);
          compare(convolution);
        },
      ),
      { numRuns: 150, seed: 20240913 },
    );
  });

  it("equals the definition for 3×3 filters of stride 1 and 2 however little is padded", () => {
    const stride = fc.integer({ min: 1, max: 2 });
    const border = fc.integer({ min: 0, max: 2 });
    const size = fc.integer({ min: 1, max: 9 });
    const sizes = fc.record({ n: stride, c: fc.integer({ min: 4, max: 13 }), h: size, w: size });
    const geometry = fc.record({
      strides: fc.tuple(stride, stride),
      padding: fc.record({ top: border, bottom: border, left: border, right: border }),
    });
    fc.assert(
      fc.property(sizes, geometry, (rest, { strides, padding }) => {
        const convolution = depthwiseCase({ ...rest, strides, padding });
        fc.pre(Math.min(...outputSize(convolution)) >= 1);
        compare(convolution);
      }),
      { numRuns: 300, seed: 20261123 },
    );
  });

  it("has the gradient by the input alone when the filter is frozen", () => {
    const convolution = depthwiseCase({ c: 4 });
    const x = tensor4d(noise(2 * 7 * 6 * 4, 1), [2, 7, 6, 4]);
    const filter = tensor4d(noise(36, 2), [3, 3, 4, 1]);
    const options = { frozenFilter: true };
    const { geometry } = convolution;
    const [frozen] = grads((x: Tensor) => depthwiseConv2d(x, filter, geometry, options))([x]);
    const [trainable] = grads((x: Tensor) => depthwiseConv2d(x, filter, geometry))([x]);
    expect(frozen!.dataSync()).toEqual(trainable!.dataSync());
    expect(() => grads((f: Tensor) => depthwiseConv2d(x, f, geometry, options))([filter])).toThrow(/filter/);
  });

  it("refuses shapes that do not fit", () => {
    const x = tensor4d(noise(75, 1), [1, 5, 5, 3]);
    const { geometry } = convolutionCase();
    expect(() => depthwiseConv2d(x, tensor4d(noise(36, 1), [3, 3, 4, 1]), geometry)).toThrow(GenieError);
  });
});
