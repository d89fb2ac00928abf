import { grads, memory, type Tensor, tensor } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { type Binary, initializeKernels, view } from "../../src/kernels/heap.ts";
import { concat, reshape } from "../../src/kernels/layout.ts";
import { hardRound, initialLogits, softRound } from "../../src/kernels/rounding.ts";
import { checkOp, expectClose, type Input, randomInput, randomSource } from "./gradcheck.ts";

/** [rows, channels] whose sizes cover one element, less than a vector, whole vectors and rests. */
const SHAPES = [
  [1, 1],
  [3, 1],
  [4, 1],
  [129, 1],
  [1, 3],
  [43, 3],
  [1, 8],
  [16, 8],
  [1, 17],
  [59, 17],
  [300, 5],
] as const;
const QMAX = 7;

const clip = (x: number, low: number, high: number) => Math.min(Math.max(x, low), high);
const softBit = (v: number) => clip(1.2 / (1 + Math.exp(-v)) - 0.1, 0, 1);

/** Logits well inside, near and beyond h's clip; codes that reach over both ends of the grid. */
function quantizer(rows: number, channels: number) {
  const size = rows * channels;
  const next = randomSource(size);
  const logits = randomInput([rows, channels], 1, 0, 1.8);
  const step: Input = {
    shape: [channels],
    data: Float32Array.from({ length: channels }, () => 0.05 + next() / 5),
  };
  const base: Input = {
    shape: [rows, channels],
    data: Float32Array.from({ length: size }, () => Math.floor(next() * 11) - 5),
  };
  const zeroPoint: Input = {
    shape: [channels],
    data: Float32Array.from({ length: channels }, () => Math.floor(next() * 5) + 2),
  };
  return [logits, step, base, zeroPoint] as const;
}

function softWeights([logits, step, base, zeroPoint]: Float64Array[]): Float64Array {
  return logits!.map((v, i) => {
    const channel = i % step!.length;
    const z = zeroPoint![channel]!;
    return step![channel]! * (clip(base![i]! + softBit(v) + z, 0, QMAX) - z);
  });
}

describe.each<Binary>(["baseline", "relaxed"])("rounding, %s", (binary) => {
  beforeAll(async () => {
    await initializeKernels({ binary });
  });

  it.each(SHAPES)("soft weights [%d, %d] and their gradients", (rows, channels) => {
    checkOp({
      inputs: [...quantizer(rows, channels)],
      run: ([logits, step, base, zeroPoint]) =>
        softRound(logits!, step!, base!, zeroPoint!, { qmax: QMAX, beta: 3, regularize: false }).weights,
      naive: softWeights,
      differentiable: [0, 1],
    });
  });

  describe.each([2, 2.7, 20])("β = %d", (beta) => {
    it.each(SHAPES)("regularizer of [%d, %d] and its gradient", (rows, channels) => {
      checkOp({
        inputs: [...quantizer(rows, channels)],
        run: ([logits, step, base, zeroPoint]) =>
          softRound(logits!, step!, base!, zeroPoint!, { qmax: QMAX, beta, regularize: true }).regularizer,
        naive: ([logits]) =>
          Float64Array.of(logits!.reduce((sum, v) => sum + 1 - Math.abs(2 * softBit(v) - 1) ** beta, 0)),
        differentiable: [0],
        tolerance: 2e-5,
      });
    });
  });

  it("gradients of weights and regularizer add up", () => {
    checkOp({
      inputs: [...quantizer(43, 3)],
      run: ([logits, step, base, zeroPoint]) => {
        const options = { qmax: QMAX, beta: 4, regularize: true };
        const { weights, regularizer } = softRound(logits!, step!, base!, zeroPoint!, options);
        return concat([reshape(weights, [129]), reshape(regularizer, [1])], 0);
      },
      naive: (values) => {
        const regularizer = values[0]!.reduce((sum, v) => sum + 1 - (2 * softBit(v) - 1) ** 4, 0);
        return Float64Array.of(...softWeights(values), regularizer);
      },
      differentiable: [0, 1],
      samples: 50,
    });
  });

  it("is 0 and costs no gradient without the regularizer, and nothing moves at h = ½, 0 or 1", () => {
    const run = (regularize: boolean) => (v: Tensor) =>
      softRound(v, tensor([1]), tensor([0, 0, 0]), tensor([0]), { qmax: QMAX, beta: 2, regularize })
        .regularizer;
    const v = tensor([0, -3, 3]);
    expect(view(run(true)(v))[0]).toBeCloseTo(1, 6);
    expect(view(run(false)(v))[0]).toBe(0);
    const [pulled] = grads(run(true))([v]);
    expect([...view(pulled!)].map((g) => g + 0)).toEqual([0, 0, 0]);
    const [free] = grads(run(false))([tensor([0.5, -1, 1])]);
    expect([...view(free!)].map((g) => g + 0)).toEqual([0, 0, 0]);
  });

  it.each(SHAPES)("hard codes of [%d, %d]", (rows, channels) => {
    const inputs = quantizer(rows, channels);
    inputs[0].data[0] = 0;
    const [logits, , base, zeroPoint] = inputs.map(({ shape, data }) => tensor(data, shape)) as [
      Tensor,
      Tensor,
      Tensor,
      Tensor,
    ];
    const codes = hardRound(logits, base, zeroPoint, QMAX);
    const expected = Array.from(inputs[0].data, (v, i) => {
      const z = inputs[3].data[i % channels]!;
      return clip(inputs[2].data[i]! + (v >= 0 ? 1 : 0) + z, 0, QMAX);
    });
    expect([...view(codes)].map((code) => code + 0)).toEqual(expected);
  });

  it.each(SHAPES)("initial logits of [%d, %d] give the weights back", (rows, channels) => {
    const { data } = randomInput([rows, channels], 6, 0, 0.4);
    data[0] = 0;
    const step = Float32Array.from({ length: channels }, (_, c) => 0.07 + 0.01 * c);
    const { base, logits } = initialLogits(tensor(data, [rows, channels]), tensor(step));
    const zeroPoint = tensor(step.map(() => 60));
    expect([...view(base)].map((b) => b + 0)).toEqual(
      Array.from(data, (w, i) => Math.floor(Math.fround(w / step[i % channels]!)) + 0),
    );
    const options = { qmax: 127, beta: 2, regularize: false };
    const { weights } = softRound(logits, tensor(step), base, zeroPoint, options);
    expectClose(view(weights), data, 2e-6);
    // Deciding every bit is then rounding to nearest.
    const codes = hardRound(logits, base, zeroPoint, 127);
    view(codes).forEach((code, i) => {
      expect(Math.abs(code - 60 - data[i]! / step[i % channels]!)).toBeLessThanOrEqual(0.500001);
    });
  });

  it("leaves nothing behind, whichever gradient is wanted", () => {
    const [logits, step, base, zeroPoint] = quantizer(43, 3).map(({ shape, data }) =>
      tensor(data, shape),
    ) as [Tensor, Tensor, Tensor, Tensor];
    const options = { qmax: QMAX, beta: 4, regularize: true };
    const before = memory().numTensors;
    for (const gradient of [
      grads((v: Tensor) => softRound(v, step, base, zeroPoint, options).weights)([logits]),
      grads((s: Tensor) => softRound(logits, s, base, zeroPoint, options).regularizer)([step]),
    ]) {
      for (const value of gradient) value.dispose();
    }
    expect(memory().numTensors).toBe(before);
  });

  it("refuses shapes that do not fit and β below 2", () => {
    const [a, b] = [tensor([1, 2, 3]), tensor([1, 2])];
    const options = { qmax: 15, beta: 2, regularize: true };
    expect(() => softRound(a, b, a, b, options)).toThrow("2 channels");
    expect(() => softRound(a, a, b, a, options)).toThrow("base [2]");
    expect(() => softRound(a, a, a, a, { ...options, beta: 1 })).toThrow("β");
  });
});
