/** What the tests of the packed package know of a runtime. */
import type { PixelOptions, QuantizeOptions, SessionOptions } from "../../../src/index.ts";

/** What is to be quantized and how it is judged; plain data. Files are in the consumer's folder. */
export interface Job extends Pick<SessionOptions, "binary"> {
  workers: number;
  model: string;
  quantize: QuantizeOptions;
  /** uint8 pixels [N, H, W, C] to judge by. */
  images: { file: string; shape: number[] };
  pixels: PixelOptions;
  labels: number[];
  /** Pages only: a checkpoint's name in IndexedDB. The job fails unless it finds synthesis done there, … */
  checkpoint?: string;
  /** … but for a first one, which fails with "close me" when it is in this block. */
  closeAt?: number;
}

export interface Outcome {
  /** To quantize, without loading and judging. */
  seconds: number;
  top1: number;
  /** Images judged by. */
  count: number;
  /** Milliseconds that the calling thread was busy while the work was done, at the longest. */
  longestPause: number;
  /** SHA-256 of the integer weights, scales and zero points. */
  weights: string;
  /** SHA-256 of the exported ONNX file: the activations' parameters too. */
  file: string;
  isIsolated: boolean;
  sharesMemory: boolean;
}

/** Something that runs JavaScript. */
export interface Runtime {
  name: string;
  /** @throws Error with what the runtime said if the job failed. */
  run(job: Job): Promise<Outcome>;
  close(): Promise<void>;
}
