/** The worker: one heap with the kernels in it, doing what the calling thread asks (`WorkerApi`). */
import { expose, transfer } from "comlink";
import { GenieError } from "../errors.ts";
import { buffersOf, type Images } from "../images.ts";
import type { Graph, QuantizedGraph } from "../ir/graph.ts";
import { initializeKernels } from "../kernels/heap.ts";
import { type ProfileListener, profiled } from "../profile.ts";
import { reconstructBlocks } from "../quantization/sequence.ts";
import { predict } from "../session/evaluate.ts";
import { distillBatch } from "../synthesis/batch.ts";
import { estimateInputRanges } from "../synthesis/estimateRange.ts";
import { join } from "./collectives.ts";
import { type IterationMessage, packError, type WorkerApi } from "./protocol.ts";
import { parentEndpoint } from "./runtime.ts";

let images: Images | undefined;
let model: Graph | QuantizedGraph | undefined;
let onProfile: ProfileListener | undefined;

const api: WorkerApi = {
  start(binary, listener) {
    onProfile = listener;
    return initializeKernels(binary ? { binary } : {});
  },
  findInputRanges: (graph) => profiled("synthesis", onProfile, async () => estimateInputRanges(graph)),
  async distill(graph, settings, batch, onIteration) {
    const pixels = await profiled("synthesis", onProfile, () =>
      distillBatch(graph, settings, batch, async (iteration, loss) => onIteration(iteration, loss)),
    );
    return transfer(pixels, [pixels.buffer]);
  },
  expectImages(shape, other) {
    const empty = { shape, data: new Float32Array(shape.reduce((product, size) => product * size, 1)) };
    images =
      other === undefined ? empty : { ...received(), others: { ...received().others, [other]: empty } };
  },
  receiveImages(piece, offset, other) {
    const target = other === undefined ? received() : received().others![other]!;
    target.data.set(piece, offset);
  },
  async reconstruct(plan, finished, membership, progress, onBlock) {
    const collective = join(membership);
    try {
      await profiled("reconstruction", onProfile, () =>
        reconstructBlocks(plan, received(), finished, collective, {
          onIteration: (...iteration) => progress?.postMessage(iteration satisfies IterationMessage),
          onBlock: (index, result) => onBlock?.(index, result),
          // Nobody else wants this thread: who stops the work ends the worker.
          breathe: async () => {},
        }),
      );
    } finally {
      progress?.postMessage(null satisfies IterationMessage);
      collective.close();
      images = undefined;
    }
  },
  keepModel(next) {
    model = next;
  },
  async predict(some, batchSize) {
    const kept = model;
    if (!kept) throw new GenieError("invalid-model", "no model has been sent to this worker");
    const out = await profiled("evaluation", onProfile, () => predict(kept, some, { batchSize }));
    return transfer(out, buffersOf(out));
  },
};

function received(): Images {
  if (!images) throw new GenieError("invalid-data", "no images have been sent to this worker");
  return images;
}

/** The same, with errors packed for the way. */
function packingErrors<Api extends WorkerApi>(calls: Api): Api {
  const packed = Object.entries(calls).map(([name, call]) => [
    name,
    async (...args: never[]) => {
      try {
        return await call(...args);
      } catch (error) {
        throw packError(error);
      }
    },
  ]);
  return Object.fromEntries(packed);
}

// A web worker must listen before its module has loaded to the end, or it misses the first message. No top-level
// await: apps are bundled into formats without it.
if ("postMessage" in globalThis) expose(packingErrors(api));
else void parentEndpoint().then((endpoint) => expose(packingErrors(api), endpoint));
