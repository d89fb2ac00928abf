/** What one case of whole iterations is started with, and what it gives. */
import type { Binary } from "../src/kernels/heap.ts";

export type CaseName = "distill-resnet20" | "distill-mobilenet" | "reconstruct-resnet20";

/** What a worker is started with. */
export interface CaseData {
  name: CaseName;
  binary: Binary;
  /** URL of a model file. */
  model: string | undefined;
}

export interface Part {
  name: string;
  milliseconds: number;
}

/** Times of one iteration: `ours`, `theirs` and `rest` add up to `total`, as `blocks` do where there are any. */
export interface CaseResult {
  total: number;
  /** Our kernels, the longest first; the number of calls is part of the name. */
  ours: Part[];
  /** tfjs's kernels. */
  theirs: Part[];
  /** JavaScript: the tape, allocation, our own code around the kernels. */
  rest: number;
  blocks: Part[];
  /** Bytes of the whole heap at the end: it never shrinks. */
  heap: number;
}
