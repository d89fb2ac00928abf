/**
 * The passes of `assembly/` over per-channel parameters, called on tensors: x is read as [groups, rows, C], with
 * the last axis as C. Everything differentiable is built of these in `normalize.ts` and its neighbours.
 */
import { type Tensor, tensor1d } from "@tensorflow/tfjs-core";
import type { ActivationCode } from "./activation.ts";
import { address, emptyTensor, kernels, scratch, view } from "./heap.ts";

export interface Rows {
  groups: number;
  rows: number;
  channels: number;
}

/** How x divides into `groups` equal runs of rows. */
export function rowsOf(x: Tensor, groups = 1): Rows {
  const channels = x.shape.at(-1) ?? 1;
  return { groups, rows: x.size / channels / groups, channels };
}

/** Scratch for `tables` floats a channel lane. */
export function channelScratch(channels: number, tables: number): number {
  return scratch(4 * tables * kernels().channelPeriod(channels));
}

/** act(scale·x + shift); scale and shift [groups, C] or null. */
export function applyScaleShift(
  x: Tensor,
  scale: Tensor | null,
  shift: Tensor | null,
  { kind, p0, p1 }: ActivationCode,
  { groups, rows, channels }: Rows,
): Tensor {
  const y = emptyTensor(x.shape);
  const work = channelScratch(channels, 4);
  kernels().scaleShift(
    address(x),
    address(y),
    addressOf(scale),
    addressOf(shift),
    groups,
    rows,
    channels,
    kind,
    p0,
    p1,
    work,
  );
  return y;
}

/**
 * dx = scale·dz + slope·x + offset with dz = dy·act′(scale·x + shift). `affine` holds slope and offset,
 * [groups, C]. x may be null for a linear function without them.
 */
export function scaleShiftGradient(
  x: Tensor | null,
  dy: Tensor,
  scale: Tensor | null,
  shift: Tensor | null,
  affine: { slope: Tensor; offset: Tensor } | null,
  { kind, p0, p1 }: ActivationCode,
  { groups, rows, channels }: Rows,
): Tensor {
  const dx = emptyTensor(dy.shape);
  const work = channelScratch(channels, 4);
  kernels().scaleShiftGradient(
    addressOf(x),
    address(dy),
    address(dx),
    addressOf(scale),
    addressOf(shift),
    addressOf(affine?.slope ?? null),
    addressOf(affine?.offset ?? null),
    groups,
    rows,
    channels,
    kind,
    p0,
    p1,
    work,
  );
  return dx;
}

/** Σ dz·(x − center) and Σ dz over the rows, each groups·C values. Call it in a tidy. */
export function scaleShiftSums(
  x: Tensor,
  dy: Tensor,
  scale: Tensor | null,
  shift: Tensor | null,
  center: Tensor | null,
  { kind, p0, p1 }: ActivationCode,
  { groups, rows, channels }: Rows,
): { weighted: Float32Array; plain: Float32Array } {
  const weighted = emptyTensor([groups * channels]);
  const plain = emptyTensor([groups * channels]);
  const work = channelScratch(channels, 9);
  kernels().scaleShiftSums(
    address(x),
    address(dy),
    addressOf(scale),
    addressOf(shift),
    addressOf(center),
    groups,
    rows,
    channels,
    kind,
    p0,
    p1,
    address(weighted),
    address(plain),
    work,
  );
  return { weighted: view(weighted).slice(), plain: view(plain).slice() };
}

/** factor · Σ x over the rows, in `shape`. */
export function columnSums(
  x: Tensor,
  { groups, rows, channels }: Rows,
  factor: number,
  shape: number[],
): Tensor {
  const out = emptyTensor(shape);
  const work = channelScratch(channels, 3);
  kernels().columnSums(address(x), address(out), groups, rows, channels, factor, work);
  return out;
}

/** A vector of one value a channel, from a function of the channel's index. */
export function perChannel(channels: number, value: (channel: number) => number): Tensor {
  return tensor1d(Float32Array.from({ length: channels }, (_, channel) => value(channel)));
}

/** Runs `compute` at the first call and gives its result at every call. */
export function once<Result>(compute: () => Result): () => Result {
  let result: { value: Result } | undefined;
  return () => {
    result ??= { value: compute() };
    return result.value;
  };
}

/** Address of a tensor that may be absent: 0, which no tensor has. */
function addressOf(tensor: Tensor | null): number {
  return tensor ? address(tensor) : 0;
}
