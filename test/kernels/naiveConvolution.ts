/** Convolution and its two gradients in float64, as loops over the definition. */
import type { ConvGeometry } from "../../src/kernels/conv2d.ts";

export interface Case {
  n: number;
  h: number;
  w: number;
  /** Channels of x. */
  c: number;
  kh: number;
  kw: number;
  /** Channels of y. */
  o: number;
  groups: number;
  geometry: ConvGeometry;
}

/** [height, width] of y; below 1 where the filter does not fit. */
export function outputSize({ h, w, kh, kw, geometry }: Case): [number, number] {
  const { strides, dilations, padding } = geometry;
  const along = (size: number, kernel: number, axis: 0 | 1): number =>
    Math.floor((size - ((kernel - 1) * dilations[axis] + 1)) / strides[axis]) + 1;
  return [along(h + padding.top + padding.bottom, kh, 0), along(w + padding.left + padding.right, kw, 1)];
}

/** Calls `visit` with the flat indices of every product y += x · filter. */
function eachProduct(convolution: Case, visit: (y: number, x: number, filter: number) => void): void {
  const { n, h, w, c, kh, kw, o, groups, geometry } = convolution;
  const { strides, dilations, padding } = geometry;
  const [oh, ow] = outputSize(convolution);
  const [groupC, groupO] = [c / groups, o / groups];
  for (let image = 0; image < n; image++)
    for (let row = 0; row < oh; row++)
      for (let column = 0; column < ow; column++)
        for (let i = 0; i < kh; i++)
          for (let j = 0; j < kw; j++) {
            const r = row * strides[0] + i * dilations[0] - padding.top;
            const q = column * strides[1] + j * dilations[1] - padding.left;
            if (r < 0 || r >= h || q < 0 || q >= w) continue;
            for (let out = 0; out < o; out++)
              for (let channel = 0; channel < groupC; channel++)
                visit(
                  ((image * oh + row) * ow + column) * o + out,
                  ((image * h + r) * w + q) * c + Math.floor(out / groupO) * groupC + channel,
                  ((i * kw + j) * groupC + channel) * o + out,
                );
          }
}

export function naive(
  convolution: Case,
  x: ArrayLike<number>,
  filter: ArrayLike<number>,
  dy: ArrayLike<number>,
): { y: Float64Array; dx: Float64Array; dFilter: Float64Array } {
  const y = new Float64Array(dy.length);
  const dx = new Float64Array(x.length);
  const dFilter = new Float64Array(filter.length);
  eachProduct(convolution, (out, at, tap) => {
    y[out]! += x[at]! * filter[tap]!;
    dx[at]! += dy[out]! * filter[tap]!;
    dFilter[tap]! += dy[out]! * x[at]!;
  });
  return { y, dx, dFilter };
}

/** Largest difference, relative to the largest expected value. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Infinity;
  let [difference, size] = [0, 1e-30];
  for (let i = 0; i < expected.length; i++) {
    const distance = Math.abs(actual[i]! - expected[i]!);
    if (Number.isNaN(distance)) return Infinity;
    difference = Math.max(difference, distance);
    size = Math.max(size, Math.abs(expected[i]!));
  }
  return difference / size;
}

/** Values in [−1, 1), the same for the same seed. */
export function noise(length: number, seed: number): Float32Array {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** A case with the usual geometry, some of it replaced. */
export function convolutionCase({
  strides = [1, 1],
  dilations = [1, 1],
  padding = { top: 1, bottom: 1, left: 1, right: 1 },
  ...sizes
}: Partial<Case> & Partial<ConvGeometry> = {}): Case {
  return {
    n: 2,
    h: 7,
    w: 6,
    c: 3,
    kh: 3,
    kw: 3,
    o: 8,
    groups: 1,
    ...sizes,
    geometry: { strides, dilations, padding },
  };
}

export function describeCase({ n, h, w, c, kh, kw, o, groups, geometry }: Case): string {
  const { strides, dilations, padding } = geometry;
  return `${n}×${h}×${w}×${c} * ${kh}×${kw}→${o} /${strides} d${dilations} p${Object.values(padding)} g${groups}`;
}
