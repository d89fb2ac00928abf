/**
 * Random numbers from a counter-based generator: Philox 4×32-10 (Salmon et al., SC 2011), key (seed, stream).
 *
 * The same seed and stream give the same bits in every runtime and with both binaries; there is no state.
 */
import type { Tensor } from "@tensorflow/tfjs-core";
import { GenieError } from "../errors.ts";
import { address, emptyTensor, kernels, scratch, view } from "./heap.ts";

/** Bytes of one group of Philox blocks: 4 blocks of 4 words. */
const GROUP_BYTES = 64;
const GROUP_WORDS = 16;
/** Words asked of the kernel at once when they are used one by one in JavaScript. */
const GROUPS_AT_ONCE = 32;

/** Both halves of a key are unsigned 32-bit integers. @throws GenieError `invalid-option` otherwise. */
export function requireKey(seed: number, stream: number): void {
  if (seed >>> 0 !== seed || stream >>> 0 !== stream) {
    throw new GenieError(
      "invalid-option",
      `seed and stream are integers in [0, 2³²), not ${seed}, ${stream}`,
    );
  }
}

/** The seed of part `index` of a run (a batch, a block); the odd factor spreads neighbouring users' seeds apart. */
export function subSeed(seed: number, index: number): number {
  return (seed + Math.imul(index + 1, 0x9e3779b1)) >>> 0;
}

/** A probability as the masks' kernels take it: in units of 2⁻¹⁶, to the nearest. */
export function maskThreshold(probability: number): number {
  if (!(probability >= 0 && probability <= 1)) {
    throw new GenieError("invalid-option", `a probability is in [0, 1], not ${probability}`);
  }
  return Math.round(probability * 65536);
}

/** Bytes of scratch that a kernel with masks needs. */
export const MASK_SCRATCH_BYTES = 128;

/**
 * Independent draws from N(0, 1) by Box–Muller, of `shape`; |values| ≤ 5.77. Not differentiable.
 *
 * @throws GenieError `invalid-option` where seed or stream is not an unsigned 32-bit integer.
 */
export function randomNormal(shape: readonly number[], seed: number, stream: number): Tensor {
  requireKey(seed, stream);
  const out = emptyTensor(shape);
  kernels().randomNormal(address(out), out.size, seed, stream, scratch(GROUP_BYTES));
  return out;
}

/**
 * Independent uniform draws from [low, high) in steps of 2⁻²⁴·(high − low), of `shape`; rounding to f32 may
 * give `high` itself where |low| exceeds the width. Not differentiable.
 */
export function randomUniform(
  shape: readonly number[],
  seed: number,
  stream: number,
  low: number,
  high: number,
): Tensor {
  requireKey(seed, stream);
  const out = emptyTensor(shape);
  kernels().randomUniform(address(out), out.size, low, high - low, seed, stream, scratch(GROUP_BYTES));
  return out;
}

/** `count` independent integers, uniform in [0, bound), 1 ≤ bound ≤ 2³¹. Unbiased. */
export function randomIntegers(count: number, bound: number, seed: number, stream: number): Int32Array {
  const next = wordsOf(seed, stream);
  return Int32Array.from({ length: count }, () => below(bound, next));
}

/** A permutation of 0 … n − 1, all n! equally likely (Fisher–Yates). */
export function randomPermutation(n: number, seed: number, stream: number): Int32Array {
  const next = wordsOf(seed, stream);
  const order = Int32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = below(i + 1, next);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** The 32-bit words of a key one after the other. */
export function wordsOf(seed: number, stream: number): () => number {
  requireKey(seed, stream);
  let words = new Uint32Array(0);
  let group = 0;
  let used = 0;
  return () => {
    if (used === words.length) {
      words = wordsFrom(group, seed, stream);
      group += GROUPS_AT_ONCE;
      used = 0;
    }
    return words[used++]!;
  };
}

function wordsFrom(group: number, seed: number, stream: number): Uint32Array<ArrayBuffer> {
  const tensor = emptyTensor([GROUPS_AT_ONCE * GROUP_WORDS]);
  kernels().randomWords(address(tensor), group, GROUPS_AT_ONCE, seed, stream);
  const words = new Uint32Array(view(tensor).slice().buffer);
  tensor.dispose();
  return words;
}

/** Uniform in [0, bound): words past the last whole multiple of `bound` are rejected. */
function below(bound: number, next: () => number): number {
  if (!(Number.isInteger(bound) && bound >= 1 && bound <= 2 ** 31)) {
    throw new GenieError("invalid-option", `a bound is an integer in [1, 2³¹], not ${bound}`);
  }
  const limit = 2 ** 32 - (2 ** 32 % bound);
  let word = next();
  while (word >= limit) word = next();
  return word % bound;
}
