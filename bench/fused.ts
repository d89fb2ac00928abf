/** Passes that only memory should limit, in bytes that must move, beside a copy that works on as many bytes. */
import { keep, type Tensor, tensor1d, tidy } from "@tensorflow/tfjs-core";
import { adamState, adamUpdate } from "../src/kernels/adam.ts";
import { fakeQuantize } from "../src/kernels/fakequant.ts";
import { batchNormTraining, scaleShift, scaleShiftWithStatistics } from "../src/kernels/normalize.ts";
import { softRound } from "../src/kernels/rounding.ts";
import { createCeilings, gigabytes } from "./ceilings.ts";
import { randomTensor } from "./data.ts";
import { record } from "./gradient.ts";
import { measure, type Row, type Table } from "./harness.ts";

/** One tensor's elements: 0.5 MB (passes stay in L2), 8 MB (a ResNet-20 map of 128 images; L3), 32 MB (memory). */
const SIZES = [2 ** 17, 2 ** 21, 2 ** 23];
const CHANNELS = 64;

interface Pass {
  name: string;
  /** Tensors' worth of bytes that it must read and write, counting again what must be read again. */
  moved: number;
  /** Distinct tensors among them: the working set. */
  touched: number;
  run(): void;
}

export const fused: Table = {
  name: "fused",
  async *rows(settings) {
    const { copy } = await createCeilings(settings);
    for (const size of SIZES) {
      const { passes, dispose } = createPasses(size);
      for (const { name, moved, touched, run } of passes) {
        const row = `${name}, ${(4 * size) / 2 ** 20} MB a tensor`;
        if (!settings.wants(row)) continue;
        const bytes = 4 * touched * size;
        const times = await measure(settings, { run, copy: copy(bytes) });
        yield {
          table: "fused",
          row,
          unit: "GB/s",
          ours: gigabytes(4 * moved * size, times.run),
          peers: {},
          ceiling: gigabytes(bytes, times.copy),
        } satisfies Row;
      }
      dispose();
    }
  },
};

function createPasses(size: number): { passes: Pass[]; dispose(): void } {
  const shape = [size / CHANNELS, CHANNELS];
  const x = randomTensor(shape, 1);
  const dy = randomTensor(shape, 2);
  const moments = adamState(shape);
  keep(moments.m);
  keep(moments.v);
  const constants = [1.1, 0.1, 0.3, 0.1, 0.02].map((value) =>
    keep(tensor1d(new Float32Array(CHANNELS).fill(value))),
  );
  const [scale, shift, perChannel, step, dstd] = constants as [Tensor, Tensor, Tensor, Tensor, Tensor];
  const activationStep = keep(tensor1d([0.1]));
  const zeroPoint = keep(tensor1d(new Float32Array(CHANNELS).fill(8)));
  const relu = { kind: "relu" } as const;

  const statistics = () => scaleShiftWithStatistics(x, scale, shift, relu);
  const normalize = () => scaleShift(x, scale, shift, relu);
  const batchNorm = () => batchNormTraining(x, scale, shift, 1e-5, relu);
  const quantize = () =>
    fakeQuantize(x, activationStep, { qmin: -8, qmax: 7, dropProbability: 0.5, seed: 1, stream: 1 });
  const round = () => softRound(x, step, dy, zeroPoint, { qmax: 15, beta: 10, regularize: true });

  const backward = {
    statistics: record(() => statistics().y, [x]),
    normalize: record(normalize, [x]),
    batchNorm: record(batchNorm, [x, scale, shift]),
    quantize: record(quantize, [x, activationStep]),
    round: record(() => round().weights, [x, step]),
  };
  const regularizerGradient = keep(tensor1d([1]));
  const pass = (name: string, moved: number, touched: number, work: () => unknown): Pass => ({
    name,
    moved,
    touched,
    run: () => tidy(() => void work()),
  });
  return {
    passes: [
      pass("statistics+normalize+relu forward", 2, 2, statistics),
      pass("statistics+normalize+relu backward", 3, 3, () =>
        backward.statistics.backward([dy, perChannel, dstd]).x!(),
      ),
      pass("normalize+relu forward", 2, 2, normalize),
      pass("normalize+relu backward", 3, 3, () => backward.normalize.backward([dy]).x!()),
      // Mean and variance must be known before anything is normalized: x is read twice.
      pass("batchnorm+relu forward", 3, 2, batchNorm),
      // As must the sums over dy before dx is known: x and dy are read twice.
      pass("batchnorm+relu backward", 5, 3, () => {
        const { x, gamma, beta } = backward.batchNorm.backward([dy, perChannel, perChannel]);
        return [gamma!(), beta!(), x!()];
      }),
      pass("fake-quantize forward", 2, 2, quantize),
      pass("fake-quantize backward", 3, 3, () => {
        const { v, step } = backward.quantize.backward([dy]);
        return [v!(), step!()];
      }),
      pass("soft rounding forward", 3, 3, round),
      pass("soft rounding backward", 4, 4, () => {
        const { logits, step } = backward.round.backward([dy, regularizerGradient]);
        return [logits!(), step!()];
      }),
      pass("adam", 7, 4, () => adamUpdate(x, moments, dy, { step: 10, learningRate: 1e-6 })),
    ],
    dispose: () => {
      for (const { dispose } of Object.values(backward)) dispose();
      for (const item of [x, dy, moments.m, moments.v, ...constants, activationStep, zeroPoint])
        item.dispose();
      regularizerGradient.dispose();
    },
  };
}
