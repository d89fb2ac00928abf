/** What the calling thread and a worker say to each other. */
import { GenieError } from "../errors.ts";
import type { Images } from "../images.ts";
import type { Graph, QuantizedGraph } from "../ir/graph.ts";
import type { Binary } from "../kernels/heap.ts";
import type { ProfileListener } from "../profile.ts";
import type { BlockResult, Plan } from "../quantization/sequence.ts";
import type { Distiller } from "../synthesis/distill.ts";

/** What a worker does. Everything that goes in and out is plain data; functions are Comlink proxies. */
export interface WorkerApi {
  /** Starts the heap and the kernels in it; where somebody listens, each later call is profiled. */
  start(binary: Binary | undefined, onProfile?: ProfileListener): Promise<Binary>;
  findInputRanges: Distiller["findInputRanges"];
  /** Pixels of one batch. */
  distill: Distiller["distill"];
  /**
   * Makes room for images of `shape`, of the first input or of another one by its name, which then come in pieces: one
   * large message would block its sender.
   */
  expectImages(shape: number[], other?: string): void;
  receiveImages(piece: Float32Array, offset: number, other?: string): void;
  /**
   * Reconstructs on the images received, as one member of several. The last two are the first member's: a port that
   * every iteration is sent to, and null behind the last, and what every finished block is given to.
   */
  reconstruct(
    plan: Plan,
    finished: readonly (BlockResult | undefined)[],
    membership: Membership,
    progress?: MessagePort,
    onBlock?: (index: number, result: BlockResult) => Promise<void>,
  ): Promise<void>;
  /** Keeps the model that the next calls of `predict` are about; none lets go of it. */
  keepModel(model: Graph | QuantizedGraph | undefined): void;
  /** The kept model's outputs for some images. */
  predict(images: Images, batchSize: number): Promise<Images>;
}

/** What goes over the port of `reconstruct`: arguments of `onIteration`, or null at the end. */
export type IterationMessage = [index: number, iteration: number, loss: number] | null;

/** A member's place among those who work together, and the way to the others. */
export interface Membership {
  rank: number;
  size: number;
  /** Memory that all members share, or a port to each of them (none to oneself). */
  link: SharedArrayBuffer | (MessagePort | undefined)[];
}

/** Comlink carries an error's name and message over: the code travels in the name. */
const CODED_NAME = /^GenieError (.+)$/;

export function packError(error: unknown): unknown {
  if (!(error instanceof GenieError)) return error;
  const packed = new Error(error.message, { cause: error });
  packed.name = `GenieError ${error.code}`;
  return packed;
}

export function unpackError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const code = CODED_NAME.exec(error.name)?.[1];
  return code ? new GenieError(code as GenieError["code"], error.message, { cause: error }) : error;
}
