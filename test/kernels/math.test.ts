import { beforeAll, describe, expect, it } from "vitest";
import {
  address,
  type Binary,
  emptyTensor,
  initializeKernels,
  kernels,
  view,
} from "../../src/kernels/heap.ts";
import { naiveErf } from "./activations.ts";

const KINDS = {
  exp: 0,
  expFlush: 1,
  log: 2,
  sigmoid: 3,
  tanh: 4,
  pow: 5,
  sinTurns: 6,
  cosTurns: 7,
  erf: 8,
  expMinusOne: 9,
  softplus: 10,
  power: 11,
} as const;

function evaluate(kind: keyof typeof KINDS, x: Float32Array, parameter = 0): Float32Array {
  const tensor = emptyTensor([x.length]);
  view(tensor).set(x);
  kernels().evaluateFunction(KINDS[kind], address(tensor), parameter, address(tensor), x.length);
  const out = view(tensor).slice();
  tensor.dispose();
  return out;
}

/** Distance of `value` from the exact `expected`, in units of the last place of an f32 of that size. */
function ulps(value: number, expected: number): number {
  if (Object.is(value, expected) || value === Math.fround(expected)) return 0;
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(expected))), -126);
  return Math.abs(value - expected) / 2 ** (exponent - 23);
}

function grid(low: number, high: number, count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => low + ((high - low) * i) / (count - 1));
}

function worst(
  kind: keyof typeof KINDS,
  xs: Float32Array,
  f: (x: number) => number,
  parameter?: number,
): number {
  const values = evaluate(kind, xs, parameter);
  let most = 0;
  for (let i = 0; i < xs.length; i++) {
    const error = ulps(values[i]!, f(xs[i]!));
    if (!(error <= most)) most = error;
    if (Number.isNaN(error)) throw new Error(`${kind}(${xs[i]}) = ${values[i]}`);
  }
  return most;
}

/** Dense in every binade from 2^low to 2^high. */
function powersOfTwo(low: number, high: number): Float32Array {
  return grid(low, high, 50_001).map((exponent) => 2 ** exponent);
}

/** sin 2πu with the nearest quarter turn taken out first, so that it is exact near its zeros. */
function sinOfTurns(u: number): number {
  const quarters = Math.round(4 * u);
  const angle = 2 * Math.PI * (u - quarters / 4);
  return [Math.sin(angle), Math.cos(angle), -Math.sin(angle), -Math.cos(angle)][quarters % 4]!;
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

describe.each<Binary>(["baseline", "relaxed"])("elementary functions, %s", (binary) => {
  beforeAll(async () => {
    await initializeKernels({ binary });
  });

  it("exp is within 1 ULP from the smallest denormal result to the largest finite one", () => {
    expect(worst("exp", grid(-103.9, 88.722, 400_001), Math.exp)).toBeLessThan(1);
    expect(worst("exp", grid(-1, 1, 200_001), Math.exp)).toBeLessThan(1);
    expect([
      ...evaluate("exp", Float32Array.of(0, -0, 88.73, 1e30, Infinity, -104, -1e30, -Infinity, NaN)),
    ]).toEqual([1, 1, Infinity, Infinity, Infinity, 0, 0, 0, NaN]);
  });

  it("expFlush is within 1 ULP in its range, 0 below and infinite above", () => {
    expect(worst("expFlush", grid(-87.3, 88.3, 400_001), Math.exp)).toBeLessThan(1);
    expect([...evaluate("expFlush", Float32Array.of(0, 88.4, Infinity, -88, -1e30, -Infinity, NaN))]).toEqual(
      [1, Infinity, Infinity, 0, 0, 0, NaN],
    );
  });

  it("log is within 1 ULP from the smallest denormal to the largest float", () => {
    expect(worst("log", powersOfTwo(-149, 127.999), Math.log)).toBeLessThan(1);
    expect(worst("log", grid(0.5, 2, 400_001), Math.log)).toBeLessThan(1);
    expect([...evaluate("log", Float32Array.of(1, 0, -0, Infinity, -1, -Infinity, NaN))]).toEqual([
      0,
      -Infinity,
      -Infinity,
      Infinity,
      NaN,
      NaN,
      NaN,
    ]);
  });

  it("sigmoid is within 3 ULP and saturates at exactly 0 and 1", () => {
    expect(worst("sigmoid", grid(-87, 30, 400_001), sigmoid)).toBeLessThan(3);
    expect(worst("sigmoid", grid(-3, 3, 400_001), sigmoid)).toBeLessThan(3);
    expect([
      ...evaluate("sigmoid", Float32Array.of(0, 17.4, Infinity, -88.4, -1e30, -Infinity, NaN)),
    ]).toEqual([0.5, 1, 1, 0, 0, 0, NaN]);
  });

  it("tanh is within 2 ULP, odd, and saturates at exactly -1 and 1", () => {
    expect(worst("tanh", grid(-10, 10, 400_001), Math.tanh)).toBeLessThan(2);
    expect(worst("tanh", powersOfTwo(-126, 1), Math.tanh)).toBeLessThan(2);
    const x = grid(0, 12, 10_001);
    expect(
      evaluate(
        "tanh",
        x.map((v) => -v),
      ),
    ).toEqual(evaluate("tanh", x).map((v) => -v));
    expect([...evaluate("tanh", Float32Array.of(0, -0, 9.02, -9.02, Infinity, -Infinity, NaN))]).toEqual([
      0,
      -0,
      1,
      -1,
      1,
      -1,
      NaN,
    ]);
  });

  it("erf is within 2 ULP, odd, and saturates at exactly -1 and 1", () => {
    expect(worst("erf", grid(-4.5, 4.5, 400_001), naiveErf)).toBeLessThan(2);
    expect(worst("erf", powersOfTwo(-120, 1), naiveErf)).toBeLessThan(2);
    const x = grid(0, 5, 10_001);
    expect(
      evaluate(
        "erf",
        x.map((v) => -v),
      ),
    ).toEqual(evaluate("erf", x).map((v) => -v));
    expect([...evaluate("erf", Float32Array.of(0, -0, 4, -4, Infinity, -Infinity, NaN))]).toEqual([
      0,
      -0,
      1,
      -1,
      1,
      -1,
      NaN,
    ]);
  });

  it("e^x - 1 is within 4 ULP for x up to 0", () => {
    expect(worst("expMinusOne", grid(-100, 0, 400_001), Math.expm1)).toBeLessThan(4);
    expect(
      worst(
        "expMinusOne",
        powersOfTwo(-120, 1).map((x) => -x),
        Math.expm1,
      ),
    ).toBeLessThan(4);
    expect([...evaluate("expMinusOne", Float32Array.of(0, -1e30, -Infinity, NaN))]).toEqual([0, -1, -1, NaN]);
  });

  it("ln(1 + e^x) is within 3 ULP", () => {
    const softplus = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
    expect(worst("softplus", grid(-87, 87, 400_001), softplus)).toBeLessThan(3);
    expect(worst("softplus", grid(-3, 3, 400_001), softplus)).toBeLessThan(3);
    expect([...evaluate("softplus", Float32Array.of(-Infinity, 100, Infinity, NaN))]).toEqual([
      0,
      100,
      Infinity,
      NaN,
    ]);
  });

  it.each([-3, -0.5, 0.5, 2, 3, 5.5])(
    "any number to the power of %d is as near as the exponent allows",
    (p) => {
      for (const x of [grid(-5, 5, 100_001), powersOfTwo(-10, 5)]) {
        const values = evaluate("power", x, p);
        for (let i = 0; i < x.length; i++) {
          const exact = x[i]! ** p;
          const bound = 2 ** -24 * (4 + 2 * Math.abs(p * Math.log2(Math.abs(x[i]!))));
          const isRight = Number.isNaN(exact)
            ? Number.isNaN(values[i])
            : values[i] === exact || Math.abs(values[i]! / exact - 1) <= bound;
          if (!isRight) expect.fail(`${x[i]}^${p} = ${values[i]}`);
        }
      }
    },
  );

  it.each([1, 2.4, 7.5, 20])("x^%d is as near as the exponent allows", (p) => {
    for (const x of [grid(0.001, 1, 100_001), powersOfTwo(-10, 5)]) {
      const values = evaluate("pow", x, p);
      for (let i = 0; i < x.length; i++) {
        const exact = x[i]! ** p;
        if (exact < 2 ** -126) continue;
        const bound = 2 ** -24 * (4 + 2 * Math.abs(p * Math.log2(x[i]!)));
        if (!(Math.abs(values[i]! / exact - 1) <= bound)) expect.fail(`${x[i]}^${p} = ${values[i]}`);
      }
    }
    expect([...evaluate("pow", Float32Array.of(0, 1, 1e38 ** (1 / p), Infinity), p)].slice(0, 2)).toEqual([
      0, 1,
    ]);
  });

  it("sine and cosine of turns are within 2 ULP and exact at quarter turns", () => {
    const u = Float32Array.from({ length: 1 << 19 }, (_, i) => (i * 37) / 2 ** 24);
    expect(worst("sinTurns", u, sinOfTurns)).toBeLessThan(2);
    expect(worst("cosTurns", u, (x) => sinOfTurns(x + 0.25))).toBeLessThan(2);
    const quarters = Float32Array.of(0, 0.25, 0.5, 0.75, 1);
    expect([...evaluate("sinTurns", quarters)].map((v) => v + 0)).toEqual([0, 1, 0, -1, 0]);
    expect([...evaluate("cosTurns", quarters)].map((v) => v + 0)).toEqual([1, 0, -1, 0, 1]);
  });

  it.each([1, 2, 3, 5, 7])("%d elements, and none beyond", (count) => {
    const tensor = emptyTensor([12]);
    view(tensor).fill(0.25);
    kernels().evaluateFunction(KINDS.sinTurns, address(tensor), 0, address(tensor), count);
    expect([...view(tensor)]).toEqual(Array.from({ length: 12 }, (_, i) => (i < count ? 1 : 0.25)));
    tensor.dispose();
  });
});
