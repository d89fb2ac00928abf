/** Holds an op and its gradients against a float64 re-implementation and its central differences. */
import { grads, type Tensor, tensor } from "@tensorflow/tfjs-core";
import { expect } from "vitest";
import { view } from "../../src/kernels/heap.ts";

export interface Input {
  shape: number[];
  data: Float32Array;
}

/** A generator of floats in [0, 1) with a state of 32 bits (mulberry32). */
export function randomSource(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Values of about N(mean, std²). */
export function randomInput(shape: number[], seed: number, mean = 0, std = 1): Input {
  const next = randomSource(seed);
  const size = shape.reduce((a, b) => a * b, 1);
  const normal = () => (next() + next() + next() + next() - 2) * Math.sqrt(3);
  return { shape, data: Float32Array.from({ length: size }, () => mean + std * normal()) };
}

export interface Check {
  inputs: Input[];
  run(tensors: Tensor[]): Tensor;
  /** The same in float64. */
  naive(inputs: Float64Array[]): Float64Array;
  /** Largest error, relative to the largest magnitude of each result. */
  tolerance?: number;
  /** Indices of the inputs that get gradients; default all. */
  differentiable?: number[];
  /** How many elements of each gradient are held against a difference quotient. */
  samples?: number;
}

/** Small, so that hardly an element crosses the corner of a ReLU on the way. */
const STEP = 1e-7;

/** Forward on every element; gradients, for a random dy, on a sample of the elements. */
export function checkOp({ inputs, run, naive, tolerance = 1e-5, differentiable, samples = 12 }: Check): void {
  const doubles = inputs.map(({ data }) => Float64Array.from(data));
  const tensors = inputs.map(({ data, shape }) => tensor(data, shape));
  const expected = naive(doubles);
  const y = run(tensors);
  expectClose(view(y).slice(), expected, tolerance);

  const wanted = differentiable ?? inputs.map((_, i) => i);
  const { data: dyData } = randomInput(y.shape, 99);
  const gradients = grads((...active: Tensor[]) =>
    run(tensors.map((value, i) => active[wanted.indexOf(i)] ?? value)),
  )(
    wanted.map((i) => tensors[i]!),
    tensor(dyData, y.shape),
  );
  const weighted = (values: Float64Array[]): number =>
    naive(values).reduce((sum, value, i) => sum + value * dyData[i]!, 0);
  const pick = randomSource(7);
  wanted.forEach((index, order) => {
    const got = view(gradients[order]!).slice();
    const size = got.length;
    expect(gradients[order]!.shape).toEqual(inputs[index]!.shape);
    const at = Array.from({ length: Math.min(samples, size) }, (_, i) =>
      samples >= size ? i : Math.floor(pick() * size),
    );
    const quotients = at.map((element) => {
      const [up, down] = [1, -1].map((sign) => {
        const moved = doubles.map((values) => values.slice());
        moved[index]![element]! += sign * STEP;
        return weighted(moved);
      });
      return (up! - down!) / (2 * STEP);
    });
    const scale = largest(got);
    expectClose(
      Float32Array.from(at, (i) => got[i]!),
      Float64Array.from(quotients),
      tolerance * 5,
      scale,
    );
  });
  for (const value of [...tensors, y, ...gradients]) value.dispose();
}

/** Every element within `tolerance` of the largest magnitude (or `scale`). */
export function expectClose(
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  scale?: number,
): void {
  expect(got.length).toBe(expected.length);
  const size = scale ?? largest(expected);
  for (let i = 0; i < expected.length; i++) {
    const error = got[i] === expected[i] ? 0 : Math.abs(got[i]! - expected[i]!) / size;
    if (!(error <= tolerance)) {
      expect.fail(`element ${i}: ${got[i]} instead of ${expected[i]}, off by ${error} of ${size}`);
    }
  }
}

/** Largest finite magnitude, at least 1e-3. */
function largest(values: ArrayLike<number>): number {
  let most = 1e-3;
  for (let i = 0; i < values.length; i++) {
    const magnitude = Math.abs(values[i]!);
    if (magnitude > most && Number.isFinite(magnitude)) most = magnitude;
  }
  return most;
}
