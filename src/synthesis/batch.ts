/** One batch of images: distilled from BatchNorm statistics (GENIE-D; Jeon et al., CVPR 2023, section 3) or drawn. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { adam } from "../engine/optimize.ts";
import { GenieError } from "../errors.ts";
import type { Graph } from "../ir/graph.ts";
import { view } from "../kernels/heap.ts";
import { reshape } from "../kernels/layout.ts";
import { subSeed } from "../kernels/random.ts";
import { atRange } from "./candidates.ts";
import { inputLayout } from "./inputLayout.ts";
import type { BatchSettings } from "./options.ts";
import { drawPrior } from "./prior/prior.ts";
import { createRescaling } from "./rescaling.ts";
import { createSource } from "./source.ts";
import { createTeacher } from "./teacher.ts";

/**
 * One batch from random start to finished pixels [B·H·W·C], B = `settings.batchSize`. Batches know nothing of each
 * other: each draws from streams of its own.
 *
 * @param afterIteration Awaited after each iteration with its (0-based) number and loss.
 * @throws GenieError `no-batch-norm`, `invalid-model`, and whatever `afterIteration` throws.
 */
export async function distillBatch(
  graph: Graph,
  settings: BatchSettings,
  batch: number,
  afterIteration: (iteration: number, loss: number) => Promise<void>,
): Promise<Float32Array<ArrayBuffer>> {
  const seed = subSeed(settings.seed, batch);
  const layout = inputLayout(graph);
  const range = settings.inputRange;
  if (settings.mode === "prior") {
    const drawn = atRange(drawPrior(layout, settings.batchSize, seed), range);
    await afterIteration(settings.iterations - 1, 0);
    return drawn;
  }
  const teacher = createTeacher(graph, layout, range, settings.swing);
  const rescaling = createRescaling(range);
  const source = createSource(settings, layout, range.mean.length, seed);
  const optimizer = adam(source.groups);
  let pixels = new Float32Array(0);
  try {
    for (let iteration = 0; iteration < settings.iterations; iteration++) {
      const loss = await optimizer.step(() => {
        const normalized = source.images(iteration);
        const images = toRank(rescaling.apply(normalized), layout.shape);
        if (iteration === settings.iterations - 1) pixels = view(images).slice();
        return teacher.loss(images, normalized, seed, iteration);
      });
      if (!Number.isFinite(loss)) {
        throw new GenieError(
          "invalid-model",
          `synthesis diverged in iteration ${iteration + 1}: loss ${loss}`,
        );
      }
      await afterIteration(iteration, loss);
    }
  } finally {
    optimizer.dispose();
    source.dispose();
    rescaling.dispose();
    teacher.dispose();
  }
  return pixels;
}

/** x [B, H, W, C] in the shape that the network takes. */
function toRank(x: Tensor, shape: readonly number[]): Tensor {
  return x.rank === shape.length + 1 ? x : reshape(x, [-1, ...shape]);
}
