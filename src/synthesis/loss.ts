/** GENIE-D's statistics loss (GENIE, equation 1, with the divisions of the authors' implementation). */
import { ones, type Tensor, zeros } from "@tensorflow/tfjs-core";
import { squaredError, sumScalars } from "../kernels/loss.ts";
import { statisticsPerImage } from "../kernels/statistics.ts";

/** Running statistics of one BatchNorm: mean μ and standard deviation σ = √(variance + 1e-6), [C]. */
export interface Target {
  node: string;
  mean: Tensor;
  std: Tensor;
  /** Factor of its term; 1 as published. */
  weight: number;
}

/**
 * The published statistics loss:
 *
 * Σ over BatchNorms weight·(‖μ − m‖² + ‖σ − s‖²)/C, with m, s the statistics of the BatchNorm's input, plus, for the
 * images themselves, Σ over channels of mean² + (std − 1)², averaged over images: they are normalized.
 *
 * @param images [G, …, C], normalized: each of G images has statistics over its positions of its own.
 * @param statistics m and s by BatchNorm node.
 * @returns A scalar, differentiable to images and statistics.
 */
export function statisticsLoss(
  images: Tensor,
  targets: readonly Target[],
  statistics: ReadonlyMap<string, { mean: Tensor; std: Tensor }>,
): Tensor {
  const { mean, std } = statisticsPerImage(images);
  const perImage = 1 / images.shape[0]!;
  const terms = [
    squaredError(mean, zeros(mean.shape), perImage),
    squaredError(std, ones(std.shape), perImage),
  ];
  for (const { node, mean, std, weight } of targets) {
    const { mean: m, std: s } = statistics.get(node)!;
    terms.push(squaredError(m, mean, weight / m.size), squaredError(s, std, weight / s.size));
  }
  return sumScalars(terms.map((value) => ({ value, weight: 1 })));
}
