/** One case of whole iterations, measured inside a worker: a fresh heap that only this case has grown. */
import type { Images } from "../src/images.ts";
import type { Graph } from "../src/ir/graph.ts";
import { heapBytes, initializeKernels } from "../src/kernels/heap.ts";
import { type KernelTime, startProfile } from "../src/kernels/profile.ts";
import { resolveReconstruction } from "../src/quantization/options.ts";
import { reconstruct, reconstructHere } from "../src/quantization/reconstruct.ts";
import { loadModel } from "../src/session/load.ts";
import { distillHere, synthesize } from "../src/synthesis/distill.ts";
import { resolveSynthesis } from "../src/synthesis/options.ts";
import { randomTensor, valuesOf } from "./data.ts";
import type { Environment } from "./environment.ts";
import type { CaseData, CaseName, CaseResult, Part } from "./iterationResult.ts";
import { mobileNetV1 } from "./networks.ts";

/**
 * The first iterations run while V8 still compiles; the heap has its size after one. A block's iterations take a few
 * milliseconds, of which JavaScript is a part, and V8 still optimizes that after 50 of them; a real run has a thousand.
 */
const WARM_UP = { distillation: 4, reconstruction: 200 };
const SAMPLES = 9;

type Case = (model: () => Promise<Graph>, clock: () => number) => Promise<Lap[]>;

const CASES: Record<CaseName, Case> = {
  "distill-resnet20": async (model, clock) => [await distill(await model(), 128, clock)],
  "distill-mobilenet": async (_, clock) => [await distill(mobileNetV1(0.75, 224), 16, clock)],
  "reconstruct-resnet20": async (model, clock) => reconstructBlocks(await model(), 32, clock),
};

export async function measureCase(
  { name, binary, model }: CaseData,
  { clock, read }: Environment,
): Promise<CaseResult> {
  await initializeKernels({ binary });
  return summarize(await CASES[name](async () => loadModel(await read(new URL(model!))), clock));
}

/** One iteration: of the whole network, or of one block. */
interface Lap {
  name: string;
  total: number;
  kernels: Map<string, KernelTime>;
}

/** The median of one batch's iterations. */
async function distill(graph: Graph, images: number, clock: () => number): Promise<Lap> {
  const laps = startLaps(clock);
  const settings = resolveSynthesis({
    images,
    batchSize: images,
    iterations: WARM_UP.distillation + SAMPLES,
    onProgress: () => laps.next(graph.name),
  });
  await synthesize(graph, settings, distillHere(undefined));
  return medianLap(laps.stop().slice(WARM_UP.distillation));
}

/** The median iteration of every block, with the rounding regularizer on, as after the warm-up of a long run. */
async function reconstructBlocks(graph: Graph, batchSize: number, clock: () => number): Promise<Lap[]> {
  const laps = startLaps(clock);
  const settings = resolveReconstruction({
    batchSize,
    iterations: WARM_UP.reconstruction + SAMPLES,
    warmup: 0,
    onProgress: (progress) => laps.next(progress.stage === "reconstruction" ? progress.block : ""),
  });
  await reconstruct(graph, randomImages(graph, 2 * batchSize), settings, reconstructHere(undefined));
  const all = laps.stop();
  const names = [...new Set(all.map(({ name }) => name))];
  // What precedes a block's first iteration, the scale search and the float outputs, is in its first lap.
  return names.map((name) => medianLap(all.filter((lap) => lap.name === name).slice(WARM_UP.reconstruction)));
}

function startLaps(clock: () => number): { next(name: string): void; stop(): Lap[] } {
  const profile = startProfile(clock);
  const laps: Lap[] = [];
  let last = clock();
  return {
    next(name) {
      const now = clock();
      laps.push({ name, total: now - last, kernels: profile.lap() });
      last = now;
    },
    stop() {
      profile.stop();
      return laps;
    },
  };
}

function medianLap(laps: readonly Lap[]): Lap {
  return laps.toSorted((a, b) => a.total - b.total)[laps.length >> 1]!;
}

function summarize(laps: readonly Lap[]): CaseResult {
  const sums = new Map<string, KernelTime>();
  for (const lap of laps) {
    for (const [name, { calls, milliseconds, foreign }] of lap.kernels) {
      const sum = sums.get(name) ?? { calls: 0, milliseconds: 0, foreign };
      sum.calls += calls;
      sum.milliseconds += milliseconds;
      sums.set(name, sum);
    }
  }
  const byTime = [...sums].toSorted(([, a], [, b]) => b.milliseconds - a.milliseconds);
  const parts = (isForeign: boolean): Part[] =>
    byTime
      .filter(([, { foreign }]) => foreign === isForeign)
      .map(([name, { calls, milliseconds }]) => ({ name: `${name} (${calls})`, milliseconds }));
  const [ours, theirs] = [parts(false), parts(true)];
  const total = laps.reduce((sum, lap) => sum + lap.total, 0);
  return {
    total,
    ours,
    theirs,
    rest: total - timeOf(ours) - timeOf(theirs),
    blocks: laps.length > 1 ? laps.map(({ name, total }) => ({ name, milliseconds: total })) : [],
    heap: heapBytes(),
  };
}

export function timeOf(parts: readonly Part[]): number {
  return parts.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
}

function randomImages(graph: Graph, count: number): Images {
  const shape = [count, ...graph.inputs[0]!.shape.slice(1)];
  const values = randomTensor(shape);
  const images = { shape, data: valuesOf(values) };
  values.dispose();
  return images;
}
