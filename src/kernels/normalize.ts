/** Per-channel affine functions fused with an activation: bias, folded and batch-statistics BatchNorm. */
import { type NamedTensorMap, type Tensor, tensor, tidy } from "@tensorflow/tfjs-core";
import type { Activation } from "../ir/graph.ts";
import { type ActivationCode, activationCode, isIdentity } from "./activation.ts";
import { defineOp, type InputGradients } from "./define.ts";
import { address, emptyTensor, kernels, share, view } from "./heap.ts";
import { alias } from "./layout.ts";
import {
  applyScaleShift,
  channelScratch,
  columnSums,
  once,
  perChannel,
  rowsOf,
  scaleShiftGradient,
  scaleShiftSums,
} from "./rows.ts";

interface ScaleShiftAttributes {
  code: ActivationCode;
  /** Runs of rows that each have a scale and shift of their own. */
  groups: number;
}

type ScaleShiftOp = (inputs: NamedTensorMap, attributes: ScaleShiftAttributes) => Tensor[];

/**
 * The op for one combination of inputs: what backward need not read is not saved. Each gradient is a pass of its
 * own, so that frozen parameters cost nothing; those of scale and shift share one.
 */
function defineScaleShift(hasScale: boolean, hasShift: boolean, linear: boolean): ScaleShiftOp {
  const saved = [
    ...(hasScale || !linear ? ["x"] : []),
    ...(hasScale ? ["scale"] : []),
    ...(hasShift && !linear ? ["shift"] : []),
  ];
  const name = `${hasScale ? "Scale" : ""}${hasShift ? "Shift" : ""}${linear ? "" : "Activate"}`;
  return defineOp<NamedTensorMap, ScaleShiftAttributes>({
    name,
    forward: ({ x, scale, shift }, { code, groups }) =>
      applyScaleShift(x!, scale ?? null, shift ?? null, code, rowsOf(x!, groups)),
    gradient: {
      savedInputs: saved,
      backward: ([dy], values, { code, groups }): InputGradients => {
        const at = (input: string): Tensor | null => values[saved.indexOf(input)] ?? null;
        const [x, scale, shift] = [at("x"), at("scale"), at("shift")];
        const rows = rowsOf(dy!, groups);
        const sums = once(() => scaleShiftSums(x!, dy!, scale, shift, null, code, rows));
        return {
          x: () =>
            linear && !hasScale ? share(dy!) : scaleShiftGradient(x, dy!, scale, shift, null, code, rows),
          scale: () => tensor(sums().weighted, scale!.shape),
          shift: () =>
            x ? tensor(sums().plain, [rows.channels]) : columnSums(dy!, rows, 1, [rows.channels]),
        };
      },
    },
  });
}

const ops = [false, true].map((hasScale) =>
  [false, true].map((hasShift) =>
    [false, true].map((linear) => defineScaleShift(hasScale, hasShift, linear)),
  ),
);

/**
 * y = act(scale[c]·x + shift[c]) in one pass; null stands for 1 and 0.
 *
 * Gradients to x, scale and shift. Saves x (a plain bias saves nothing); the activation's mask is recomputed.
 *
 * @param x [..., C]
 * @param scale [C] or null
 * @param shift [C] or null
 */
export function scaleShift(
  x: Tensor,
  scale: Tensor | null,
  shift: Tensor | null,
  activation?: Activation,
): Tensor {
  return groupedScaleShift(x, scale, shift, activation, 1);
}

/** As `scaleShift`, with one scale for each of `groups` equal runs of rows: scale of groups·C values, shift null. */
export function groupedScaleShift(
  x: Tensor,
  scale: Tensor | null,
  shift: Tensor | null,
  activation: Activation | undefined,
  groups: number,
): Tensor {
  const code = activationCode(activation);
  const linear = isIdentity(code);
  if (!scale && !shift && linear) return alias(x);
  const inputs: NamedTensorMap = { x };
  if (scale) inputs.scale = scale;
  if (shift) inputs.shift = shift;
  return ops[Number(!!scale)]![Number(!!shift)]![Number(linear)]!(inputs, { code, groups })[0]!;
}

const withStatistics = defineOp<{ x: Tensor; scale: Tensor; shift: Tensor }, { code: ActivationCode }>({
  name: "ScaleShiftStatistics",
  forward: ({ x, scale, shift }, { code: { kind, p0, p1 } }) => {
    const { rows, channels } = rowsOf(x);
    const y = emptyTensor(x.shape);
    const mean = emptyTensor([channels]);
    const std = emptyTensor([channels]);
    const work = channelScratch(channels, 9);
    kernels().scaleShiftStatistics(
      address(x),
      address(y),
      address(scale),
      address(shift),
      rows,
      channels,
      kind,
      p0,
      p1,
      address(mean),
      address(std),
      work,
    );
    return [y, mean, std];
  },
  gradient: {
    savedInputs: ["x", "scale", "shift"],
    savedOutputs: [false, true, true],
    backward: ([dy, dmean, dstd], [x, scale, shift, mean, std], { code }) => ({
      x: () => {
        const affine = statisticsGradient(x!.size / mean!.size, mean!, std!, dmean!, dstd!);
        return scaleShiftGradient(x!, dy!, scale!, shift!, affine, code, rowsOf(x!));
      },
    }),
  },
});

/**
 * y = act(scale[c]·x + shift[c]) with frozen scale and shift, and over all rows, from the same pass over memory,
 * mean m = Σx/n and unbiased standard deviation s = √(Σ(x − m)²/(n − 1)) of x, each [C]; s = 0 where n = 1.
 *
 * Gradient to x only, one pass: dx = act′·scale·dy + dm/n + ds·(x − m)/((n − 1)·s), the last term 0 where s = 0.
 */
export function scaleShiftWithStatistics(
  x: Tensor,
  scale: Tensor,
  shift: Tensor,
  activation?: Activation,
): { y: Tensor; mean: Tensor; std: Tensor } {
  const [y, mean, std] = withStatistics({ x, scale, shift }, { code: activationCode(activation) });
  return { y: y!, mean: mean!, std: std! };
}

/** dm/n + ds·(x − m)/((n − 1)·s) as slope·x + offset, [groups·C] each, for n rows a group. */
export function statisticsGradient(
  rows: number,
  mean: Tensor,
  std: Tensor,
  dmean: Tensor,
  dstd: Tensor,
): { slope: Tensor; offset: Tensor } {
  const [m, s, dm, ds] = [mean, std, dmean, dstd].map((value) => view(value).slice());
  const slopes = Float64Array.from(ds!, (value, i) => (s![i]! > 0 ? value / ((rows - 1) * s![i]!) : 0));
  return {
    slope: perChannel(slopes.length, (i) => slopes[i]!),
    offset: perChannel(slopes.length, (i) => dm![i]! / rows - slopes[i]! * m![i]!),
  };
}

interface BatchNormAttributes {
  epsilon: number;
  code: ActivationCode;
}

/** Biased variance (`spreadKind` of `assembly/statistics.ts`). */
const VARIANCE = 0;

function defineBatchNorm(
  hasGamma: boolean,
  hasBeta: boolean,
): (inputs: NamedTensorMap, attributes: BatchNormAttributes) => Tensor[] {
  const saved = ["x", ...(hasGamma ? ["gamma"] : []), ...(hasBeta ? ["beta"] : [])];
  return defineOp<NamedTensorMap, BatchNormAttributes>({
    name: `BatchNorm${hasGamma ? "Gamma" : ""}${hasBeta ? "Beta" : ""}`,
    forward: ({ x, gamma, beta }, { epsilon, code }) =>
      tidy(() => {
        const rows = rowsOf(x!);
        const mean = emptyTensor([rows.channels]);
        const variance = emptyTensor([rows.channels]);
        const work = channelScratch(rows.channels, 9);
        kernels().statistics(
          address(x!),
          1,
          rows.rows,
          rows.channels,
          address(mean),
          address(variance),
          VARIANCE,
          work,
        );
        const { scale, shift } = affineOf(mean, variance, gamma ?? null, beta ?? null, epsilon);
        return [applyScaleShift(x!, scale, shift, code, rows), mean, variance];
      }),
    gradient: {
      savedInputs: saved,
      savedOutputs: [false, true, true],
      backward: ([dy], values, { epsilon, code }): InputGradients => {
        const x = values[0]!;
        const [gamma, beta] = ["gamma", "beta"].map((input) =>
          saved.includes(input) ? values[saved.indexOf(input)]! : null,
        );
        const [mean, variance] = values.slice(saved.length);
        const rows = rowsOf(x);
        const sums = once(() => {
          const { scale, shift } = affineOf(mean!, variance!, gamma!, beta!, epsilon);
          return scaleShiftSums(x, dy!, scale, shift, mean!, code, rows);
        });
        return {
          x: () => {
            const { weighted, plain } = sums();
            const { scale, shift } = affineOf(mean!, variance!, gamma!, beta!, epsilon);
            const [m, v, a] = [mean!, variance!, scale].map((value) => view(value).slice());
            const slopes = Float64Array.from(
              weighted,
              (sum, c) => (-a![c]! * sum) / ((v![c]! + epsilon) * rows.rows),
            );
            const slope = perChannel(rows.channels, (c) => slopes[c]!);
            const offset = perChannel(
              rows.channels,
              (c) => (-a![c]! * plain[c]!) / rows.rows - slopes[c]! * m![c]!,
            );
            return scaleShiftGradient(x, dy!, scale, shift, { slope, offset }, code, rows);
          },
          gamma: () => {
            const { weighted } = sums();
            const v = view(variance!).slice();
            return perChannel(rows.channels, (c) => weighted[c]! / Math.sqrt(v[c]! + epsilon));
          },
          beta: () => tensor(sums().plain, [rows.channels]),
        };
      },
    },
  });
}

const batchNormOps = [false, true].map((hasGamma) =>
  [false, true].map((hasBeta) => defineBatchNorm(hasGamma, hasBeta)),
);

/**
 * Training-mode BatchNorm over all rows: y = act(gamma·(x − m)/√(v + epsilon) + beta), with mean m and biased
 * variance v of x per channel. Null gamma and beta stand for 1 and 0.
 *
 * Gradients to x, gamma and beta: one pass for the sums that all three need, one more for dx.
 *
 * @param x [..., C]
 * @param gamma [C] or null
 * @param beta [C] or null
 */
export function batchNormTraining(
  x: Tensor,
  gamma: Tensor | null,
  beta: Tensor | null,
  epsilon: number,
  activation?: Activation,
): Tensor {
  const inputs: NamedTensorMap = { x };
  if (gamma) inputs.gamma = gamma;
  if (beta) inputs.beta = beta;
  const op = batchNormOps[Number(!!gamma)]![Number(!!beta)]!;
  const [y, mean, variance] = op(inputs, { epsilon, code: activationCode(activation) });
  mean!.dispose();
  variance!.dispose();
  return y!;
}

/** BatchNorm as scale·x + shift: scale = gamma/√(v + epsilon), shift = beta − m·scale. */
function affineOf(
  mean: Tensor,
  variance: Tensor,
  gamma: Tensor | null,
  beta: Tensor | null,
  epsilon: number,
): { scale: Tensor; shift: Tensor } {
  const [m, v, g, b] = [mean, variance, gamma, beta].map((value) => (value ? view(value).slice() : null));
  const scales = Float64Array.from(v!, (value, c) => (g ? g[c]! : 1) / Math.sqrt(value + epsilon));
  return {
    scale: perChannel(scales.length, (c) => scales[c]!),
    shift: perChannel(scales.length, (c) => (b ? b[c]! : 0) - m![c]! * scales[c]!),
  };
}
