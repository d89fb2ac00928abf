import { grads, memory, type Tensor, tensor, tensor1d, tidy } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import type { Activation } from "../../src/ir/graph.ts";
import { type Binary, initializeKernels, view } from "../../src/kernels/heap.ts";
import { squaredError, sumScalars } from "../../src/kernels/loss.ts";
import { batchNormTraining, scaleShift, scaleShiftWithStatistics } from "../../src/kernels/normalize.ts";
import { ACTIVATIONS, naiveActivation, POSITIVE_ACTIVATIONS } from "./activations.ts";
import { checkOp, expectClose, randomInput } from "./gradcheck.ts";

const ROWS = [1, 2, 3, 5, 7, 64, 101];
const CHANNELS = [1, 3, 4, 5, 7, 8, 16, 17, 33];
const SIZES = ROWS.flatMap((rows) => CHANNELS.map((channels) => [rows, channels] as const));

function naiveScaleShift(
  x: Float64Array,
  scale: Float64Array | null,
  shift: Float64Array | null,
  channels: number,
  activation: Activation | undefined,
): Float64Array {
  return x.map((value, i) =>
    naiveActivation(activation, (scale?.[i % channels] ?? 1) * value + (shift?.[i % channels] ?? 0)),
  );
}

/** Mean and Σ(x − mean)² by channel, two passes in float64. */
function naiveMoments(x: ArrayLike<number>, channels: number): { mean: Float64Array; squares: Float64Array } {
  const rows = x.length / channels;
  const mean = new Float64Array(channels);
  const squares = new Float64Array(channels);
  for (let i = 0; i < x.length; i++) mean[i % channels]! += x[i]! / rows;
  for (let i = 0; i < x.length; i++) squares[i % channels]! += (x[i]! - mean[i % channels]!) ** 2;
  return { mean, squares };
}

function naiveBatchNorm(
  [x, gamma, beta]: (Float64Array | null)[],
  channels: number,
  epsilon: number,
  activation: Activation | undefined,
): Float64Array {
  const { mean, squares } = naiveMoments(x!, channels);
  const rows = x!.length / channels;
  return x!.map((value, i) => {
    const c = i % channels;
    const normal = (value - mean[c]!) / Math.sqrt(squares[c]! / rows + epsilon);
    return naiveActivation(activation, (gamma?.[c] ?? 1) * normal + (beta?.[c] ?? 0));
  });
}

describe.each<Binary>(["baseline", "relaxed"])("%s", (binary) => {
  beforeAll(async () => {
    await initializeKernels({ binary });
  });

  describe("scaleShift", () => {
    it.each(SIZES)("[%i, %i] with scale, shift and ReLU", (rows, channels) => {
      checkOp({
        inputs: [
          randomInput([rows, channels], 1),
          randomInput([channels], 2, 1),
          randomInput([channels], 3, 0.1),
        ],
        run: ([x, scale, shift]) => scaleShift(x!, scale!, shift!, { kind: "relu" }),
        naive: ([x, scale, shift]) => naiveScaleShift(x!, scale!, shift!, channels, { kind: "relu" }),
      });
    });

    it.each(ACTIVATIONS)("%o, with and without scale and shift", (activation) => {
      const [rows, channels] = [37, 5];
      const [x, scale, shift] = [
        randomInput([rows, channels], 4, 0, 3),
        randomInput([channels], 5, 1, 0.5),
        randomInput([channels], 6),
      ];
      const options = { tolerance: 2e-6, samples: 60 };
      checkOp({
        inputs: [x, scale, shift],
        run: ([a, b, c]) => scaleShift(a!, b!, c!, activation),
        naive: ([a, b, c]) => naiveScaleShift(a!, b!, c!, channels, activation),
        ...options,
      });
      checkOp({
        inputs: [x, scale],
        run: ([a, b]) => scaleShift(a!, b!, null, activation),
        naive: ([a, b]) => naiveScaleShift(a!, b!, null, channels, activation),
        ...options,
      });
      checkOp({
        inputs: [x, shift],
        run: ([a, c]) => scaleShift(a!, null, c!, activation),
        naive: ([a, c]) => naiveScaleShift(a!, null, c!, channels, activation),
        ...options,
      });
      checkOp({
        inputs: [x],
        run: ([a]) => scaleShift(a!, null, null, activation),
        naive: ([a]) => naiveScaleShift(a!, null, null, channels, activation),
        ...options,
      });
    });

    it.each(POSITIVE_ACTIVATIONS)("%o of positive values", (activation) => {
      checkOp({
        inputs: [randomInput([13, 5], 1, 2, 0.5)],
        run: ([x]) => scaleShift(x!, null, null, activation),
        naive: ([x]) => naiveScaleShift(x!, null, null, 5, activation),
        samples: 65,
      });
    });

    it("sums a bias gradient over more rows than one block holds", () => {
      const [rows, channels] = [30_011, 5];
      checkOp({
        inputs: [randomInput([rows, channels], 1), randomInput([channels], 2)],
        run: ([x, shift]) => scaleShift(x!, null, shift!),
        naive: ([x, shift]) => naiveScaleShift(x!, null, shift!, channels, undefined),
        samples: 5,
      });
    });

    it("keeps a NaN a NaN through ReLU", () => {
      const x = tensor1d([1, Number.NaN, -1, 2, Number.NaN]);
      expect([...view(scaleShift(x, null, null, { kind: "relu" }))]).toEqual([
        1,
        Number.NaN,
        0,
        2,
        Number.NaN,
      ]);
    });

    it("leaves no tensor behind", () => {
      const before = memory();
      tidy(() => {
        const x = tensor(randomInput([64, 6], 1).data, [64, 6]);
        const bias = tensor1d([1, 2, 3, 4, 5, 6]);
        grads((a: Tensor, b: Tensor) => scaleShift(a, null, b, { kind: "relu" }))([x, bias]);
        grads((a: Tensor, b: Tensor) => batchNormTraining(a, b, null, 1e-5))([x, bias]);
      });
      expect(memory().numTensors).toBe(before.numTensors);
      expect(memory().numDataBuffers).toBe(before.numDataBuffers);
    });
  });

  describe("scaleShiftWithStatistics", () => {
    it.each(SIZES)("[%i, %i]", (rows, channels) => {
      const inputs = [
        randomInput([rows, channels], 1, 0.3),
        randomInput([channels], 2, 1),
        randomInput([channels], 3, 0.1),
      ];
      const relu: Activation = { kind: "relu" };
      const spread = (x: Float64Array): Float64Array =>
        naiveMoments(x, channels).squares.map((sum) => Math.sqrt(sum / Math.max(rows - 1, 1)));
      const outputs = [
        ["y", ([x, a, b]: Float64Array[]) => naiveScaleShift(x!, a!, b!, channels, relu)],
        ["mean", ([x]: Float64Array[]) => naiveMoments(x!, channels).mean],
        // One row has no spread and no gradient to it.
        ...(rows > 1 ? [["std", ([x]: Float64Array[]) => spread(x!)] as const] : []),
      ] as const;
      for (const [output, naive] of outputs) {
        checkOp({
          inputs,
          run: ([x, a, b]) => scaleShiftWithStatistics(x!, a!, b!, relu)[output],
          naive,
          differentiable: [0],
        });
      }
    });

    it("adds up the gradients of y, mean and std", () => {
      const [rows, channels] = [301, 6];
      const x = randomInput([rows, channels], 1, 2);
      const scale = randomInput([channels], 2, 1);
      const shift = randomInput([channels], 3);
      const targets = [
        randomInput([rows, channels], 4),
        randomInput([channels], 5),
        randomInput([channels], 6),
      ];
      checkOp({
        inputs: [x],
        run: ([input]) => {
          const { y, mean, std } = scaleShiftWithStatistics(
            input!,
            tensor1d(scale.data),
            tensor1d(shift.data),
            { kind: "leakyRelu", alpha: 0.1 },
          );
          const terms = [y, mean, std].map((value, i) =>
            squaredError(value, tensor(targets[i]!.data, targets[i]!.shape), 1 / value.size),
          );
          return sumScalars(terms.map((value) => ({ value, weight: 1 })));
        },
        naive: ([input]) => {
          const { mean, squares } = naiveMoments(input!, channels);
          const y = naiveScaleShift(
            input!,
            Float64Array.from(scale.data),
            Float64Array.from(shift.data),
            channels,
            { kind: "leakyRelu", alpha: 0.1 },
          );
          const values = [y, mean, squares.map((sum) => Math.sqrt(sum / (rows - 1)))];
          const loss = values.reduce(
            (sum, value, k) =>
              sum + value.reduce((s, v, i) => s + (v - targets[k]!.data[i]!) ** 2, 0) / value.length,
            0,
          );
          return Float64Array.of(loss);
        },
        samples: 40,
      });
    });

    it.each([3, 16])("keeps five digits of mean and std where |mean| ≫ std, %i channels", (channels) => {
      const rows = 70_000;
      const { data } = randomInput([rows, channels], 8, 1000, 1);
      // A first row far from the rest must not become the point all others are measured from.
      data.fill(-5000, 0, channels);
      const x = tensor(data, [rows, channels]);
      const { mean, std } = scaleShiftWithStatistics(
        x,
        tensor1d(new Float32Array(channels).fill(1)),
        tensor1d(new Float32Array(channels)),
      );
      const moments = naiveMoments(data, channels);
      const expected = moments.squares.map((sum) => Math.sqrt(sum / (rows - 1)));
      expectClose(view(mean), moments.mean, 1e-7);
      expectClose(view(std), expected, 1e-5);
    });

    it("has no spread, and no gradient to it, on a constant", () => {
      const x = tensor(new Float32Array(50 * 3).fill(7), [50, 3]);
      const [one, zero] = [tensor1d([1, 1, 1]), tensor1d([0, 0, 0])];
      const { std } = scaleShiftWithStatistics(x, one, zero);
      expect([...view(std)]).toEqual([0, 0, 0]);
      const [dx] = grads((a: Tensor) => scaleShiftWithStatistics(a, one, zero).std)([x], one);
      expect(view(dx!).every((value) => value === 0)).toBe(true);
    });
  });

  describe("batchNormTraining", () => {
    it.each(SIZES.filter(([rows]) => rows > 1))("[%i, %i]", (rows, channels) => {
      checkOp({
        inputs: [
          randomInput([rows, channels], 1, 0.5, 2),
          randomInput([channels], 2, 1, 0.3),
          randomInput([channels], 3),
        ],
        run: ([x, gamma, beta]) =>
          batchNormTraining(x!, gamma!, beta!, 1e-2, { kind: "leakyRelu", alpha: 0.2 }),
        naive: (values) => naiveBatchNorm(values, channels, 1e-2, { kind: "leakyRelu", alpha: 0.2 }),
        tolerance: 2e-5,
      });
    });

    it("takes more rows than one block of f32 sums holds", () => {
      const [rows, channels] = [80_000, 2];
      checkOp({
        inputs: [
          randomInput([rows, channels], 1, 0.5, 2),
          randomInput([channels], 2, 1, 0.3),
          randomInput([channels], 3),
        ],
        run: ([x, gamma, beta]) => batchNormTraining(x!, gamma!, beta!, 1e-3, { kind: "tanh" }),
        naive: (values) => naiveBatchNorm(values, channels, 1e-3, { kind: "tanh" }),
        samples: 3,
      });
    });

    it.each(ACTIVATIONS)("%o, with and without gamma and beta", (activation) => {
      const [rows, channels] = [41, 3];
      const x = randomInput([rows, channels], 1, 0.5, 2);
      const gamma = randomInput([channels], 2, 1, 0.3);
      const beta = randomInput([channels], 3);
      const options = { tolerance: 1e-5, samples: 40 };
      checkOp({
        inputs: [x, gamma],
        run: ([a, g]) => batchNormTraining(a!, g!, null, 1e-3, activation),
        naive: ([a, g]) => naiveBatchNorm([a!, g!, null], channels, 1e-3, activation),
        ...options,
      });
      checkOp({
        inputs: [x, beta],
        run: ([a, b]) => batchNormTraining(a!, null, b!, 1e-3, activation),
        naive: ([a, b]) => naiveBatchNorm([a!, null, b!], channels, 1e-3, activation),
        ...options,
      });
      checkOp({
        inputs: [x],
        run: ([a]) => batchNormTraining(a!, null, null, 1e-3, activation),
        naive: ([a]) => naiveBatchNorm([a!, null, null], channels, 1e-3, activation),
        ...options,
      });
    });
  });
});
