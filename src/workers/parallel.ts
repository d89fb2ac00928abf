/** Synthesis, reconstruction and inference on a pool of workers: what the calling thread would do itself. */
import { proxy, type Remote, transfer } from "comlink";
import { buffersOf, copy, emptyLike, type Images, place, slice } from "../images.ts";
import type { Graph, QuantizedGraph } from "../ir/graph.ts";
import type { Reconstructor } from "../quantization/reconstruct.ts";
import { type BlockResult, imageRange, type SequenceHooks, usefulMembers } from "../quantization/sequence.ts";
import type { Distiller } from "../synthesis/distill.ts";
import { sharedBytes } from "./collectives.ts";
import type { Pool } from "./pool.ts";
import type { IterationMessage, Membership, WorkerApi } from "./protocol.ts";

/** A message of this many floats takes a few milliseconds to copy: the calling thread stays responsive. */
const PIECE_FLOATS = 2 ** 20;

/** Distills each batch in a worker, so many at once. */
export function distillIn(pool: Pool, signal: AbortSignal | undefined, workers = pool.size): Distiller {
  return {
    concurrency: workers,
    findInputRanges: (graph) => pool.run(1, ([worker]) => worker!.findInputRanges(graph), signal),
    distill: (graph, settings, batch, onIteration) =>
      pool.run(1, ([worker]) => worker!.distill(graph, settings, batch, proxy(onIteration)), signal),
  };
}

/** Reconstructs with so many workers together, each on its share of the images. */
export function reconstructIn(
  pool: Pool,
  signal: AbortSignal | undefined,
  workers = pool.size,
): Reconstructor {
  return async (plan, images, kept, { onIteration, onBlock }) => {
    const count = images.shape[0]!;
    const size = usefulMembers(workers, count, plan.settings.batchSize);
    // Grows, so that a run whose worker has died goes on behind the last block.
    const finished = [...kept];
    await pool.run(
      size,
      async (workers) => {
        await Promise.all(
          workers.map((worker, rank) => send(worker, slice(images, ...imageRange(count, rank, size)))),
        );
        const memberships = connect(size, pool.sharesMemory);
        const keep = async (index: number, result: BlockResult): Promise<void> => {
          await onBlock(index, result);
          finished[index] = result;
        };
        const progress = listen(onIteration);
        const calls = workers.map((worker, rank) => {
          const membership = memberships[rank]!;
          const ports = Array.isArray(membership.link) ? membership.link.filter((port) => !!port) : [];
          const call = [plan, finished, transfer(membership, ports)] as const;
          return rank === 0
            ? worker.reconstruct(...call, transfer(progress.port, [progress.port]), proxy(keep))
            : worker.reconstruct(...call);
        });
        await Promise.all([...calls, progress.end]);
      },
      signal,
    );
  };
}

/**
 * A port whose messages go to `onIteration`; `end` is when null comes, or what `onIteration` throws. Not a Comlink
 * proxy: its answers would wait at the worker, which looks at no message before the block is done.
 */
function listen(onIteration: SequenceHooks["onIteration"]): { port: MessagePort; end: Promise<void> } {
  const { port1, port2 } = new MessageChannel();
  const end = new Promise<void>((resolve, reject) => {
    port1.onmessage = ({ data }: MessageEvent<IterationMessage>) => {
      try {
        if (data) return onIteration(...data);
        resolve();
      } catch (error) {
        reject(error);
      }
      port1.close();
    };
  });
  return { port: port2, end };
}

/** Members that know each other: through shared memory, or by a port between every two. */
function connect(size: number, sharesMemory: boolean): Membership[] {
  if (sharesMemory) {
    const link = new SharedArrayBuffer(sharedBytes(size));
    return Array.from({ length: size }, (_, rank) => ({ rank, size, link }));
  }
  const links: (MessagePort | undefined)[][] = Array.from({ length: size }, () =>
    new Array<undefined>(size).fill(undefined),
  );
  for (let a = 0; a < size; a++) {
    for (let b = a + 1; b < size; b++) {
      const { port1, port2 } = new MessageChannel();
      links[a]![b] = port1;
      links[b]![a] = port2;
    }
  }
  return links.map((link, rank) => ({ rank, size, link }));
}

/** Sends images piece by piece, each piece a copy that is handed over; those of other inputs behind them. */
async function send(
  worker: Remote<WorkerApi>,
  { shape, data, others = {} }: Images,
  other?: string,
): Promise<void> {
  await worker.expectImages(shape, other);
  for (let offset = 0; offset < data.length; offset += PIECE_FLOATS) {
    const piece = data.slice(offset, offset + PIECE_FLOATS);
    await worker.receiveImages(transfer(piece, [piece.buffer as ArrayBuffer]), offset, other);
  }
  for (const [name, images] of Object.entries(others)) await send(worker, images, name);
}

/** The model's outputs for all images: each worker gets the model once, and takes the next few that are left. */
export async function predictIn(
  pool: Pool,
  model: Graph | QuantizedGraph,
  images: Images,
  {
    batchSize,
    onDone,
    signal,
  }: { batchSize: number; onDone(done: number): void; signal?: AbortSignal | undefined },
): Promise<Images> {
  const count = images.shape[0]!;
  let next = 0;
  let done = 0;
  let out: Images | undefined;
  const takeNext = (): number | undefined => {
    const start = next;
    next += batchSize;
    return start < count ? start : undefined;
  };
  const predictPiece = async (worker: Remote<WorkerApi>, start: number): Promise<void> => {
    const end = Math.min(start + batchSize, count);
    const piece = copy(slice(images, start, end));
    const outputs = await worker.predict(transfer(piece, buffersOf(piece)), batchSize);
    out ??= emptyLike(outputs, count);
    place(outputs, out, start);
    done += end - start;
    onDone(done);
  };
  const lane = async (): Promise<void> => {
    let start = takeNext();
    // Where its worker dies, the task begins anew: with the piece that was under way.
    await pool.run(
      1,
      async ([worker]) => {
        await worker!.keepModel(model);
        for (; start !== undefined; start = takeNext()) await predictPiece(worker!, start);
        await worker!.keepModel(undefined);
      },
      signal,
    );
  };
  await Promise.all(Array.from({ length: Math.min(pool.size, Math.ceil(count / batchSize)) }, lane));
  return out ?? { shape: [0], data: new Float32Array(0) };
}
