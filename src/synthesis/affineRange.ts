/** The range of a network's input from the BatchNorms that it reaches without a nonlinearity. */
import { affineStart } from "../ir/affine.ts";
import type { Graph, InputRange } from "../ir/graph.ts";
import type { InputLayout } from "./inputLayout.ts";
import { snapToNormalized } from "./inputRange.ts";
import { nonNegativeSolve, ridgeSolve } from "./leastSquares.ts";
import { randomField } from "./randomField.ts";
import { createProbe, type Probe } from "./rangeProbe.ts";

/** Correlations of neighbouring pixels whose random fields the input is taken to be a mixture of. */
const CORRELATIONS = [0, 0.5, 0.8, 0.9, 0.95, 0.98];
/** The same down a column, where every column has a standard deviation of its own. */
const COLUMN_CORRELATIONS = [0.5, 0.95];

/** Values of a random field: enough for its second moments within a few percent, few enough for a fraction of a second. */
const FIELD_VALUES = 2 ** 16;
/** Columns are told apart where their W·C images, one column alive in each, have at most this many values. */
const MAX_COLUMN_VALUES = 2 ** 20;
/** Running averages follow the last batches of training: they are right to some two percent of a standard deviation. */
const MEAN_NOISE = 0.02;
/** Errors of means (in standard deviations) and of variances (as logarithms) up to which a model of the input will do. */
const TOLERATED_MEAN_ERROR = 0.05;
const TOLERATED_SPREAD_ERROR = 0.3;

/** Standard deviation of an input, or of one of its columns, that the statistics know nothing of. */
const NO_SPREAD = 1e-6;

const FIELD_SEED = 0x9e3779b1;

interface Fit {
  range: InputRange;
  /** Root mean square of (μ of the model − μ)/σ. */
  meanError: number;
  /** Median of |log(σ² of the model / σ²)|. */
  spreadError: number;
}

/**
 * Mean m and standard deviation s of the input that the statistics of the first BatchNorms speak of.
 *
 * A BatchNorm that the input reaches without a nonlinearity (most often one behind the first convolution) normalizes
 * y = L·x + b, with L known, so that (borders, strides and layers such as rescaling included)
 *
 *   μ = L̄·m + b̄  and  σ² = Var_p(L·m + b) + Σ_k a_k·Q_k,
 *
 * L̄ being the mean over positions p, and Q_k the mean square of L applied to random field k. Assumed: the input is
 * stationary, a mixture of fields whose neighbouring pixels correlate by ρ ∈ {0, 0.5, 0.8, 0.9, 0.95, 0.98}, equal in
 * all channels or independent, like natural images, with s² = Σ a_k in every channel. m comes from least squares,
 * weighted by 1/σ and drawn slightly to a value common to all channels; a_k ≥ 0 from least squares of relative errors.
 *
 * Where that does not explain the statistics, every column (and channel) gets a mean and a variance of its own: the
 * coefficients of a spectrum, the features of a vector. Columns that the network cannot tell apart share evenly.
 *
 * A range that is normalized within the error of the estimate becomes exactly mean 0 and standard deviation 1.
 *
 * Needs `initializeKernels`.
 *
 * @returns undefined where no BatchNorm stands before the first nonlinearity, or where nothing gets through to them.
 */
export function affineRange(graph: Graph, layout: InputLayout): InputRange | undefined {
  const start = affineStart(graph);
  if (start.norms.length === 0) return undefined;
  const probe = createProbe(start, layout);
  try {
    const { channels, width, height } = layout;
    const uniform = fitRange(probe, channels);
    if (!uniform.range.std.every((std) => std > NO_SPREAD)) return undefined;
    const explained =
      uniform.meanError <= TOLERATED_MEAN_ERROR && uniform.spreadError <= TOLERATED_SPREAD_ERROR;
    const columns = width * channels;
    const tooMany = columns * height * columns > MAX_COLUMN_VALUES;
    if (explained || width === 1 || tooMany) return snapToNormalized(uniform.range, layout);
    const byColumn = fitRange(probe, columns);
    const isBetter =
      byColumn.meanError < uniform.meanError / 2 || byColumn.spreadError < uniform.spreadError / 2;
    return snapToNormalized(isBetter ? byColumn.range : uniform.range, layout);
  } finally {
    probe.dispose();
  }
}

/** Fits mean and standard deviation of `units`: the channels, or all columns and channels. */
function fitRange(probe: Probe, units: number): Fit {
  const { mean, variance, layout } = probe;
  const { height, width, channels } = layout;
  const deviation = variance.map(Math.sqrt);
  const pixels = height * width * channels;
  const offset = probe.respond(new Float32Array(pixels)).mean;

  const responses = Array.from({ length: units }, (_, unit) => {
    const image = new Float32Array(pixels);
    for (let i = unit; i < pixels; i += units) image[i] = 1;
    return probe.respondLinearly(image).mean;
  });
  const rows = Array.from(deviation, (s, e) => Float64Array.from(responses, (response) => response[e]! / s));
  const targets = mean.map((value, e) => (value - offset[e]!) / deviation[e]!);
  const means = fitMeans(rows, targets);
  const meanError = rootMeanSquare(
    targets.map((target, e) => rows[e]!.reduce((sum, value, k) => sum + value * means[k]!, -target)),
  );

  const image = Float32Array.from({ length: pixels }, (_, i) => means[i % units]!);
  const ofMean = probe.respond(image);
  const spread = variance.map((value, e) => {
    const byPosition = Math.max(0, ofMean.square[e]! - ofMean.mean[e]! ** 2);
    // Of a channel whose variance the borders explain, little is left to learn.
    return Math.max(value - byPosition, 0.01 * value);
  });
  const shared = sharedFields(probe);
  const own = units > channels ? columnFields(probe, units) : [];
  const fields = [...shared, ...own.map(({ square }) => square)];
  const amounts = fitVariances(fields, spread);
  const common = amounts.subarray(0, shared.length).reduce((sum, amount) => sum + amount, 0);
  const variances = new Float64Array(units).fill(common);
  own.forEach(({ unit }, index) => {
    variances[unit] = variances[unit]! + amounts[shared.length + index]!;
  });
  const logErrors = spread.map((value, e) =>
    Math.abs(Math.log(fields.reduce((sum, field, k) => sum + field[e]! * amounts[k]!, 1e-30) / value)),
  );
  return {
    range: { mean: [...means], std: Array.from(variances, (value) => Math.max(Math.sqrt(value), NO_SPREAD)) },
    meanError,
    spreadError: logErrors.sort()[logErrors.length >> 1]!,
  };
}

/** Means of the units: the best common one, plus the smallest deviations from it that explain the rest but its noise. */
function fitMeans(rows: readonly Float64Array[], targets: Float64Array): Float64Array {
  const sums = Float64Array.from(rows, (row) => row.reduce((sum, value) => sum + value, 0));
  const power = sums.reduce((total, sum) => total + sum * sum, 0);
  const common = power > 0 ? sums.reduce((total, sum, e) => total + sum * targets[e]!, 0) / power : 0;
  const rest = targets.map((target, e) => target - common * sums[e]!);
  // Gaussian prior and noise: λ is the noise's variance over that of the deviations, which the rest tells.
  const size = rows.reduce((total, row) => total + row.reduce((sum, value) => sum + value * value, 0), 0);
  const noise = (MEAN_NOISE / Math.max(rootMeanSquare(rest), 1e-9)) ** 2;
  const ridge = Math.max((noise * size) / rows.length, 1e-12);
  return ridgeSolve(rows, rest, ridge).map((value) => value + common);
}

/** How much of each field there is, by relative errors: first of the running variance, then of the model's. */
function fitVariances(fields: readonly Float64Array[], variance: Float64Array): Float64Array {
  let scale = variance;
  let amounts = new Float64Array(fields.length);
  for (let round = 0; round < 4; round++) {
    const rows = Array.from(scale, (s, e) => Float64Array.from(fields, (field) => field[e]! / s));
    const targets = variance.map((value, e) => value / scale[e]!);
    amounts = new Float64Array(nonNegativeSolve(rows, targets, 1e-5));
    scale = variance.map((value, e) =>
      Math.max(
        fields.reduce((sum, field, k) => sum + field[e]! * amounts[k]!, 0),
        1e-3 * value,
      ),
    );
  }
  return amounts;
}

/** Mean squares of the responses to stationary fields, equal in all channels and independent. */
function sharedFields({ respondLinearly, layout }: Probe): Float64Array[] {
  const { height, width, channels } = layout;
  const count = Math.max(4, Math.round(FIELD_VALUES / (height * width * channels)));
  return CORRELATIONS.flatMap((correlation, index) =>
    (channels === 1 ? [1] : [1, channels]).map((independent) => {
      const shape = { count, height, width, channels: independent };
      const field = randomField(shape, correlation, FIELD_SEED, index);
      const repeats = channels / independent;
      const images = Float32Array.from(
        { length: field.length * repeats },
        (_, i) => field[(i / repeats) | 0]!,
      );
      return respondLinearly(images).square;
    }),
  );
}

/** Mean squares of the responses to fields in one column and channel alone, correlated down the column. */
function columnFields(
  { respondLinearly, layout }: Probe,
  units: number,
): { unit: number; square: Float64Array }[] {
  const { height } = layout;
  const count = Math.max(8, Math.min(64, Math.round(FIELD_VALUES / (height * units * units))));
  const correlations = height === 1 ? [0] : COLUMN_CORRELATIONS;
  return correlations.flatMap((correlation, index) => {
    const field = randomField({ count, height, width: 1, channels: 1 }, correlation, FIELD_SEED, 100 + index);
    return Array.from({ length: units }, (_, unit) => {
      const images = new Float32Array(field.length * units);
      field.forEach((value, i) => {
        images[i * units + unit] = value;
      });
      return { unit, square: respondLinearly(images).square };
    });
  });
}

function rootMeanSquare(values: Float64Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
}
