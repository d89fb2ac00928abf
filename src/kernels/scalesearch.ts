/**
 * Where step sizes start: the clip ratio r of 1.00, 0.99, … 0.01 with the least Σ |x − x̂|^2.4, x̂ being x after
 * quantization with the range times r. The largest of equals wins.
 */
import type { Tensor } from "@tensorflow/tfjs-core";
import { GenieError } from "../errors.ts";
import { address, emptyTensor, kernels, view } from "./heap.ts";

/** Clip ratios are multiples of 1 / RATIOS. */
const RATIOS = 100;
/** Every so many of them are tried first. */
const COARSE = 10;

/** Activations beyond this many are sampled: 100 ratios of 2¹⁸ values take some 50 ms. */
const MAX_SAMPLES = 2 ** 18;

/** A range below this is no range: a hundredth of it, over 2⁸ codes, would near the denormals. */
const MIN_RANGE = 1e-30;

/** Codes from qmin to qmax; for the clip ratio r the step size is r·fullStep. */
interface Grid {
  qmin: number;
  qmax: number;
  zeroPoint: number;
  fullStep: number;
}

/**
 * Step size and zero-point of each output channel's weights, for codes [0, 2ᵇ − 1].
 *
 * Asymmetric: s = (max − min)·r/(2ᵇ − 1), z = round(−min·r/s). The range is extended to include 0 first, so that
 * z is one of the codes: ONNX stores it in the codes' type, and 0 stays exactly 0.
 *
 * Symmetric: z = 2ᵇ⁻¹, which is the signed grid [−2ᵇ⁻¹, 2ᵇ⁻¹ − 1] with zero-point 0 shifted to unsigned codes;
 * s = max|w|·r/(2ᵇ⁻¹ − 1), so that r = 1 clips on neither side.
 *
 * A channel without a range (all zero) gets the step size 1: its weights become exact zeros.
 *
 * @param weights [..., channels]
 * @param bits 2 to 8
 * @throws GenieError `invalid-data` where a weight is not finite, `invalid-option` for other bits or channels.
 */
export function searchWeightScale(
  weights: Tensor,
  channels: number,
  bits: number,
  symmetric: boolean,
): { step: Float32Array; zeroPoint: Int32Array } {
  requireBits(bits);
  const rows = weights.size / channels;
  if (!Number.isInteger(rows) || rows === 0) {
    throw new GenieError("invalid-option", `weights [${weights.shape}] do not have ${channels} channels`);
  }
  const step = new Float32Array(channels);
  const zeroPoint = new Int32Array(channels);
  const column = emptyTensor([rows]);
  for (let c = 0; c < channels; c++) {
    kernels().gather(address(weights) + 4 * c, weights.size - c, channels, rows, address(column));
    const { low, high } = rangeOf(column);
    const grid = symmetric ? symmetricGrid(low, high, bits) : asymmetricGrid(low, high, bits);
    step[c] = bestStep(column, grid);
    zeroPoint[c] = grid.zeroPoint;
  }
  column.dispose();
  return { step, zeroPoint };
}

/**
 * Step size of a tensor of activations, zero-point 0. Never negative: codes [0, 2ᵇ − 1], s = max·r/(2ᵇ − 1).
 * Otherwise `signed`: codes [−2ᵇ⁻¹, 2ᵇ⁻¹ − 1], s = 2·max|x|·r/(2ᵇ − 1).
 *
 * The range is that of all values; the error is measured on 2¹⁸ of them, spread evenly, where there are more.
 *
 * @param x any shape
 * @param bits 2 to 8
 * @throws GenieError `invalid-data` where a value is not finite, `invalid-option` for other bits.
 */
export function searchActivationScale(x: Tensor, bits: number): { step: number; signed: boolean } {
  requireBits(bits);
  const { low, high } = rangeOf(x);
  const signed = low < 0;
  const codes = 2 ** bits - 1;
  const grid: Grid = signed
    ? {
        qmin: -(2 ** (bits - 1)),
        qmax: 2 ** (bits - 1) - 1,
        zeroPoint: 0,
        fullStep: (2 * Math.max(-low, high)) / codes,
      }
    : { qmin: 0, qmax: codes, zeroPoint: 0, fullStep: high / codes };
  if (x.size <= MAX_SAMPLES) return { step: bestStep(x, grid), signed };
  const samples = sampled(x);
  const step = bestStep(samples, grid);
  samples.dispose();
  return { step, signed };
}

function asymmetricGrid(low: number, high: number, bits: number): Grid {
  const qmax = 2 ** bits - 1;
  const least = Math.min(low, 0);
  const range = Math.max(high, 0) - least;
  const zeroPoint = range < MIN_RANGE ? 0 : Math.round((-least / range) * qmax);
  return { qmin: 0, qmax, zeroPoint, fullStep: range / qmax };
}

function symmetricGrid(low: number, high: number, bits: number): Grid {
  const zeroPoint = 2 ** (bits - 1);
  const fullStep = Math.max(Math.abs(low), Math.abs(high)) / (zeroPoint - 1);
  return { qmin: 0, qmax: 2 ** bits - 1, zeroPoint, fullStep };
}

/**
 * fullStep·r, as an f32, of the best r: a few ratios first, then the others from the best of these outward. Most are
 * far worse than the best so far, and given up early.
 */
function bestStep(x: Tensor, { qmin, qmax, zeroPoint, fullStep }: Grid): number {
  const range = fullStep * (qmax - qmin);
  if (range < MIN_RANGE) return 1;
  const stepOf = (ratio: number): number => Math.fround((fullStep * ratio) / RATIOS);
  let best = { ratio: RATIOS, score: Number.POSITIVE_INFINITY };
  const judge = (ratio: number): void => {
    const score = kernels().quantizationScore(
      address(x),
      x.size,
      stepOf(ratio),
      zeroPoint,
      qmin,
      qmax,
      1 / range,
      best.score,
    );
    if (score < best.score || (score === best.score && ratio > best.ratio)) best = { ratio, score };
  };
  for (let ratio = RATIOS; ratio > 0; ratio -= COARSE) judge(ratio);
  const middle = best.ratio;
  for (let distance = 1; distance < RATIOS; distance++) {
    for (const ratio of [middle - distance, middle + distance]) {
      if (ratio > 0 && ratio < RATIOS && ratio % COARSE !== 0) judge(ratio);
    }
  }
  return stepOf(best.ratio);
}

function rangeOf(x: Tensor): { low: number; high: number } {
  const pair = emptyTensor([2]);
  kernels().valueRange(address(x), x.size, address(pair));
  const [low = Number.NaN, high = Number.NaN] = view(pair);
  pair.dispose();
  if (!Number.isFinite(low) || !Number.isFinite(high)) {
    throw new GenieError("invalid-data", `values reach from ${low} to ${high}: nothing to quantize to`);
  }
  return { low, high };
}

/**
 * MAX_SAMPLES values of x: every k-th, around and around, with k near the golden section of the size and without
 * a common divisor with it. So no value comes twice, and all places and channels get their share.
 */
function sampled(x: Tensor): Tensor {
  let stride = Math.round(x.size * 0.6180339887498949);
  while (greatestCommonDivisor(stride, x.size) !== 1) stride++;
  const samples = emptyTensor([MAX_SAMPLES]);
  kernels().gather(address(x), x.size, stride, MAX_SAMPLES, address(samples));
  return samples;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

function requireBits(bits: number): void {
  if (!(Number.isInteger(bits) && bits >= 2 && bits <= 8)) {
    throw new GenieError("invalid-option", `bits are 2 to 8, not ${bits}`);
  }
}
