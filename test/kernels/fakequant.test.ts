import { fill, grads, type Tensor, tensor } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { fakeQuantize, mixInputs, quantizeDequantize } from "../../src/kernels/fakequant.ts";
import { type Binary, initializeKernels, view } from "../../src/kernels/heap.ts";
import { checkOp, randomInput } from "./gradcheck.ts";

const COUNTS = [1, 3, 4, 5, 7, 127, 128, 129, 511, 512, 513, 1009];

function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  if (x - floor !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

const clip = (x: number, low: number, high: number) => Math.min(Math.max(x, low), high);

/** The mask's bits, by what mixInputs takes. */
function maskOf(count: number, probability: number, seed: number, stream: number): Float32Array {
  return view(mixInputs(fill([count], 0), fill([count], 1), probability, seed, stream)).slice();
}

describe.each<Binary>(["baseline", "relaxed"])("fake quantization, %s", (binary) => {
  beforeAll(async () => {
    await initializeKernels({ binary });
  });

  describe.each([
    { qmin: 0, qmax: 15 },
    { qmin: -8, qmax: 7 },
    { qmin: -2, qmax: 1 },
  ])("codes $qmin to $qmax", ({ qmin, qmax }) => {
    it.each(COUNTS)("%d elements, their straight-through gradients and the step's", (count) => {
      const v = randomInput([count], 5, 0.2, 1.2);
      const s = { shape: [1], data: Float32Array.of(0.21) };
      for (const dropProbability of [0, 0.5, 0.3]) {
        const mask = maskOf(count, dropProbability, 3, 4);
        // What LSQ differentiates: the rounding error inside the range is held where it is.
        const residual = Float64Array.from(v.data, (x) => {
          const u = x / s.data[0]!;
          return roundHalfEven(u) - u;
        });
        checkOp({
          inputs: [v, s],
          run: ([value, step]) =>
            fakeQuantize(value!, step!, { qmin, qmax, dropProbability, seed: 3, stream: 4 }),
          naive: ([value, step]) =>
            value!.map((x, i) => {
              if (mask[i] === 1) return x;
              const scale = step![0]!;
              const u = x / scale;
              return u >= qmin && u <= qmax ? scale * (u + residual[i]!) : scale * clip(u, qmin, qmax);
            }),
        });
      }
    });
  });

  it("rounds ties to even and lets the gradient through at the ends of the range", () => {
    const v = tensor([-2.5, -0.5, 0.5, 1.5, 2.5, 3, 3.25, -4, -4.25]);
    const run = (value: Tensor, step: Tensor) => fakeQuantize(value, step, { qmin: -4, qmax: 3 });
    expect([...view(run(v, tensor([1])))].map((x) => x + 0)).toEqual([-2, 0, 0, 2, 2, 3, 3, -4, -4]);
    const [dv, ds] = grads((a: Tensor, b: Tensor) => run(a, b))([v, tensor([1])], fill([9], 1));
    expect([...view(dv!)]).toEqual([1, 1, 1, 1, 1, 1, 0, 1, 0]);
    expect(view(ds!)[0]).toBeCloseTo(0.5 + 0.5 - 0.5 + 0.5 - 0.5 + 0 + 3 + 0 - 4, 6);
  });

  it.each([0, 0.25, 0.3, 0.5, 0.9, 1])(
    "masks are 1 with probability %d, independent by key",
    (probability) => {
      const count = 200_000;
      const mask = maskOf(count, probability, 1, 2);
      const mean = mask.reduce((a, b) => a + b, 0) / count;
      const deviation = Math.sqrt((probability * (1 - probability)) / count);
      expect(Math.abs(mean - probability)).toBeLessThanOrEqual(5 * deviation + 2 ** -16);
      if (deviation === 0) return;
      const shifts = [1, 4, 128, 512].map((lag) =>
        Float32Array.from(mask, (_, i) => mask[(i + lag) % count]!),
      );
      for (const other of [maskOf(count, probability, 1, 3), maskOf(count, probability, 2, 2), ...shifts]) {
        const both = mask.reduce((sum, bit, i) => sum + bit * other[i]!, 0) / count;
        expect(Math.abs(both - probability ** 2)).toBeLessThan(5 * Math.sqrt(probability ** 2 / count));
      }
    },
  );

  it.each(COUNTS)("mixInputs takes %d elements from either side", (count) => {
    const [x, xq] = [randomInput([count], 1).data, randomInput([count], 2).data];
    const mask = maskOf(count, 0.5, 8, 9);
    const mixed = view(mixInputs(tensor(x), tensor(xq), 0.5, 8, 9));
    expect([...mixed]).toEqual([...mask].map((bit, i) => (bit ? xq : x)[i]));
    expect([...maskOf(2000, 0.5, 8, 9).slice(0, count)]).toEqual([...mask]);
  });

  it.each(COUNTS)("quantizeDequantize of %d elements is ONNX's", (count) => {
    const x = randomInput([count], 4, 0, 3).data;
    const scale = Math.fround(0.037);
    const out = view(quantizeDequantize(tensor(x), scale, 117, 0, 255));
    const expected = Array.from(x, (value) => {
      const code = clip(roundHalfEven(Math.fround(value / scale)) + 117, 0, 255);
      return Math.fround((code - 117) * scale);
    });
    expect([...out].map((v) => v + 0)).toEqual(expected.map((v) => v + 0));
  });

  it("quantizeDequantize keeps extremes on the grid", () => {
    const x = tensor([1e30, -1e30, Infinity, -Infinity, 0, -0.5, 0.5, 1.5]);
    expect([...view(quantizeDequantize(x, 1, 3, 0, 15))].map((v) => v + 0)).toEqual([
      12, -3, 12, -3, 0, 0, 0, 2,
    ]);
  });

  it("refuses bad ranges, probabilities and shapes", () => {
    const v = tensor([1, 2]);
    expect(() => fakeQuantize(v, tensor([1]), { qmin: 3, qmax: 1 })).toThrow("codes");
    expect(() => fakeQuantize(v, v, { qmin: 0, qmax: 1 })).toThrow("2 elements");
    expect(() => fakeQuantize(v, tensor([1]), { qmin: 0, qmax: 1, dropProbability: 1.5 })).toThrow(
      "probability",
    );
    expect(() => mixInputs(v, tensor([1]), 0.5, 0, 0)).toThrow("differ");
  });
});

it("both binaries give the same bits", async () => {
  const outputs: Float32Array[] = [];
  for (const binary of ["baseline", "relaxed"] as const) {
    await initializeKernels({ binary });
    const v = tensor(randomInput([10_007], 3).data);
    outputs.push(view(fakeQuantize(v, tensor([0.1]), { qmin: -8, qmax: 7, dropProbability: 0.3 })).slice());
  }
  expect(outputs[1]).toEqual(outputs[0]);
});
