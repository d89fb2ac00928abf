import { grads, type Tensor, tensor1d } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { add, multiply, binary as ofTwo } from "../../src/kernels/elementwise.ts";
import { type Binary, initializeKernels, view } from "../../src/kernels/heap.ts";
import { ACTIVATIONS, naiveActivation } from "./activations.ts";
import { checkOp, randomInput } from "./gradcheck.ts";

const SHAPES: [a: number[], b: number[]][] = [
  [[1], [1]],
  [
    [3, 1],
    [3, 1],
  ],
  [
    [5, 7],
    [5, 7],
  ],
  [
    [2, 3, 5, 17],
    [2, 3, 5, 17],
  ],
  [[2, 3, 5, 6], [6]],
  [[6], [2, 3, 5, 6]],
  [
    [2, 3, 5, 5],
    [1, 1, 1, 5],
  ],
  [
    [2, 3, 5, 7],
    [2, 1, 1, 7],
  ],
  [
    [2, 1, 1, 3],
    [2, 4, 5, 3],
  ],
  [
    [2, 3, 5, 4],
    [2, 3, 5, 1],
  ],
  [
    [2, 1, 5, 4],
    [3, 1, 4],
  ],
  [
    [4, 1],
    [1, 3],
  ],
  [[2, 3], [1]],
];

/** f(a, b) with NumPy's broadcasting. */
function broadcast(
  a: Float64Array,
  aShape: number[],
  b: Float64Array,
  bShape: number[],
  f: (a: number, b: number) => number,
): Float64Array {
  const rank = Math.max(aShape.length, bShape.length);
  const pad = (shape: number[]) => [...new Array<number>(rank - shape.length).fill(1), ...shape];
  const [left, right] = [pad(aShape), pad(bShape)];
  const shape = left.map((size, i) => Math.max(size, right[i]!));
  const size = shape.reduce((x, y) => x * y, 1);
  const offset = (index: number, dims: number[]): number => {
    let rest = index;
    let stride = 1;
    let at = 0;
    for (let axis = rank - 1; axis >= 0; axis--) {
      const coordinate = rest % shape[axis]!;
      rest = (rest - coordinate) / shape[axis]!;
      if (dims[axis] !== 1) at += coordinate * stride;
      stride *= dims[axis]!;
    }
    return at;
  };
  return Float64Array.from({ length: size }, (_, i) => f(a[offset(i, left)]!, b[offset(i, right)]!));
}

describe.each<Binary>(["baseline", "relaxed"])("%s", (binary) => {
  beforeAll(async () => {
    await initializeKernels({ binary });
  });

  describe.each([
    ["add", add, (a: number, b: number) => a + b],
    ["multiply", multiply, (a: number, b: number) => a * b],
  ] as const)("%s", (_name, op, f) => {
    it.each(SHAPES)("[%j] and [%j]", (aShape, bShape) => {
      for (const activation of [undefined, { kind: "leakyRelu", alpha: 0.3 } as const]) {
        checkOp({
          inputs: [randomInput(aShape, 1), randomInput(bShape, 2)],
          run: ([a, b]) => op(a!, b!, activation),
          naive: ([a, b]) =>
            broadcast(a!, aShape, b!, bShape, (x, y) => naiveActivation(activation, f(x, y))),
        });
      }
    });

    it.each([...ACTIVATIONS, { kind: "leakyRelu", alpha: -0.5 } as const])("%o", (activation) => {
      const shape = [3, 37];
      checkOp({
        inputs: [randomInput(shape, 3, 0, 2), randomInput(shape, 4)],
        run: ([a, b]) => op(a!, b!, activation),
        naive: ([a, b]) => a!.map((x, i) => naiveActivation(activation, f(x, b![i]!))),
        samples: 111,
      });
    });
  });

  const POSITIVE = { mean: 1.5, std: 0.2 };
  const ANY = { mean: 0, std: 1 };

  describe.each([
    ["subtract", ANY, (a: number, b: number) => a - b],
    ["divide", POSITIVE, (a: number, b: number) => a / b],
    ["power", POSITIVE, (a: number, b: number) => a ** b],
    ["minimum", ANY, Math.min],
    ["maximum", ANY, Math.max],
  ] as const)("%s", (op, { mean, std }, f) => {
    it.each([
      ...SHAPES,
      // Operands that are repeated in turns, along more axes than the kernel walks at once.
      [
        [2, 1, 3, 1, 2, 1],
        [2, 3, 1, 2, 1, 5],
      ],
    ])("[%j] and [%j]", (aShape, bShape) => {
      for (const activation of [undefined, { kind: "sigmoid" } as const]) {
        checkOp({
          inputs: [randomInput(aShape, 1, mean, std), randomInput(bShape, 2, mean, std)],
          run: ([a, b]) => ofTwo(op, a!, b!, activation),
          naive: ([a, b]) =>
            broadcast(a!, aShape, b!, bShape, (x, y) => naiveActivation(activation, f(x, y))),
          tolerance: op === "power" ? 3e-5 : 1e-5,
        });
      }
    });
  });

  it("raises negative numbers to whole powers, and nothing else to what it has no number for", () => {
    const base = tensor1d([-2, -2, -2, -8, 0, 0, 0, Number.POSITIVE_INFINITY, Number.NaN]);
    const exponent = tensor1d([2, 3, 0, 0.5, 2, 0, -1, -2, 1]);
    const powers = [...view(ofTwo("power", base, exponent))];
    expect(powers.slice(3)).toEqual([Number.NaN, 0, 1, Number.POSITIVE_INFINITY, 0, Number.NaN]);
    for (const [i, exact] of [4, -8, 1].entries()) expect(powers[i]).toBeCloseTo(exact, 5);
  });

  it("gives the gradient of a minimum to its first operand where both are equal", () => {
    const [a, b] = [tensor1d([1, 2, 3]), tensor1d([1, 3, 2])];
    const [da, db] = grads((x: Tensor, y: Tensor) => ofTwo("minimum", x, y))([a, b], tensor1d([1, 10, 100]));
    expect([...view(da!)]).toEqual([1, 10, 0]);
    expect([...view(db!)]).toEqual([0, 0, 100]);
  });

  it("adds up the gradients of a tensor added to itself", () => {
    const x = tensor1d([1, -2, 3]);
    const [dx] = grads((a: Tensor) => add(a, a, { kind: "relu" }))([x], tensor1d([1, 10, 100]));
    expect([...view(dx!)]).toEqual([2, 0, 200]);
  });
});
