/** One batch of images, distilled from the BatchNorm statistics (GENIE-D; Jeon et al., CVPR 2023, section 3). */
import { keep, type Tensor, tensor1d, tidy } from "@tensorflow/tfjs-core";
import { disposeAll, uploadConstants } from "../engine/feeds.ts";
import { adam, type ParameterGroup } from "../engine/optimize.ts";
import { run } from "../engine/run.ts";
import { reduceOnPlateau, stepDecay } from "../engine/schedules.ts";
import { GenieError } from "../errors.ts";
import { requireBatchNorms } from "../ir/batchNorms.ts";
import type { Graph } from "../ir/graph.ts";
import { view } from "../kernels/heap.ts";
import { randomIntegers, randomNormal } from "../kernels/random.ts";
import { createGenerator, generatorWidths } from "./generator.ts";
import { statisticsLoss, type Target } from "./loss.ts";
import type { SynthesisSettings } from "./options.ts";
import { teacherOps } from "./teacher.ts";

/** Streams of random numbers of a batch, apart modulo 4; the batch's index goes into the seed. */
const STREAM = {
  latents: 0,
  swing: (iteration: number) => 4 * iteration + 1,
  resampled: (iteration: number) => 4 * iteration + 2,
  weights: (index: number) => 4 * index + 3,
};

/** A way of making images that can be learned. */
interface Source {
  images(iteration: number): Tensor;
  groups: ParameterGroup[];
  dispose(): void;
}

/**
 * One batch from random start to finished pixels [B·H·W·C], B = `settings.batchSize`. Batches know nothing of each
 * other: each draws from streams of its own.
 *
 * @param afterIteration Awaited after each iteration with its (0-based) number and loss.
 * @throws GenieError `no-batch-norm`, `invalid-model`, and whatever `afterIteration` throws.
 */
export async function distillBatch(
  graph: Graph,
  settings: SynthesisSettings,
  batch: number,
  afterIteration: (iteration: number, loss: number) => Promise<void>,
): Promise<Float32Array<ArrayBuffer>> {
  // Each batch draws from streams of its own seed; the odd factor spreads neighbouring user seeds apart.
  const seed = (settings.seed + Math.imul(batch + 1, 0x9e3779b1)) >>> 0;
  const [, height, width, channels] = imageInput(graph);
  const teacher = createTeacher(graph, settings);
  const source = createSource(settings, [height, width, channels], seed);
  const optimizer = adam(source.groups);
  let pixels = new Float32Array(0);
  try {
    for (let iteration = 0; iteration < settings.iterations; iteration++) {
      const loss = await optimizer.step(() => {
        const images = source.images(iteration);
        if (iteration === settings.iterations - 1) pixels = view(images).slice();
        return teacher.loss(images, seed, iteration);
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
    teacher.dispose();
  }
  return pixels;
}

interface Teacher {
  /** Statistics loss of images [B, H, W, C]; on the tape, with `swing` offsets drawn from the batch's stream. */
  loss(images: Tensor, seed: number, iteration: number): Tensor;
  dispose(): void;
}

function createTeacher(graph: Graph, { swing }: SynthesisSettings): Teacher {
  const targets: Target[] = requireBatchNorms(graph).map(({ name, mean, std }) => ({
    node: name,
    mean: keep(tensor1d(mean)),
    std: keep(tensor1d(std)),
  }));
  // What comes after the last BatchNorm does not touch the loss.
  const last = graph.nodes.findLastIndex((node) => node.op === "batchNorm");
  const body: Graph = { ...graph, nodes: graph.nodes.slice(0, last + 1), outputs: [] };
  const constants = uploadConstants(body);
  return {
    loss(images, seed, iteration) {
      const statistics = new Map<string, { mean: Tensor; std: Tensor }>();
      const offsets = randomIntegers(2 * body.nodes.length, 3, seed, STREAM.swing(iteration));
      let drawn = 0;
      const ops = teacherOps(
        ({ node, mean, std }) => statistics.set(node, { mean, std }),
        swing ? () => offsets[drawn++]! : null,
      );
      run(body, new Map([...constants, [body.inputs[0]!.name, images]]), { ops });
      return statisticsLoss(images, targets, statistics);
    },
    dispose() {
      disposeAll(constants.values());
      disposeAll(targets.flatMap(({ mean, std }) => [mean, std]));
    },
  };
}

/** A way of making images that can be learned. */
interface Source {
  images(iteration: number): Tensor;
  groups: ParameterGroup[];
  dispose(): void;
}

function createSource(
  settings: SynthesisSettings,
  [height, width, channels]: [number, number, number],
  seed: number,
): Source {
  const { mode, batchSize, latents, latentLearningRate, generatorLearningRate, pixelLearningRate } = settings;
  if (mode === "pixels") {
    const pixels = keep(tidy(() => randomNormal([batchSize, height, width, channels], seed, STREAM.latents)));
    return {
      images: () => pixels,
      groups: [{ parameters: [pixels], schedule: reduceOnPlateau(pixelLearningRate) }],
      dispose: () => pixels.dispose(),
    };
  }
  const shape = { latents, height, width, channels, widths: generatorWidths(height, width, latents) };
  const generator = createGenerator(shape, seed, STREAM.weights);
  const z = keep(tidy(() => randomNormal([batchSize, latents], seed, STREAM.latents)));
  return {
    // The generator alone sees new latents every iteration, as a GAN's does; GENIE learns one set.
    images: (iteration) =>
      generator.images(
        mode === "generator" ? randomNormal([batchSize, latents], seed, STREAM.resampled(iteration)) : z,
      ),
    groups: [
      ...(mode === "genie" ? [{ parameters: [z], schedule: reduceOnPlateau(latentLearningRate) }] : []),
      { parameters: generator.parameters, schedule: stepDecay(generatorLearningRate, 0.95, 100) },
    ],
    dispose: () => {
      generator.dispose();
      z.dispose();
    },
  };
}

/** Shape [−1, H, W, C] of the graph's only input. */
export function imageInput(graph: Graph): [number, number, number, number] {
  const [input, ...others] = graph.inputs;
  if (!input || others.length > 0 || input.shape.length !== 4) {
    throw new GenieError(
      "invalid-model",
      `images are synthesized for one input of shape [N, H, W, C]; "${graph.name}" has ` +
        graph.inputs.map(({ name, shape }) => `${name} [${shape}]`).join(", "),
    );
  }
  return input.shape as [number, number, number, number];
}
