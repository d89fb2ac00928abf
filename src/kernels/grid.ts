/** Slicing and padding as copies of a grid of runs, off the tape: tfjs's strided slice takes them element by element. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { address, emptyTensor, kernels } from "./heap.ts";

/** Every steps[i]-th of counts[i] elements from begin[i] along axis i. */
export interface Grid {
  begin: readonly number[];
  counts: readonly number[];
  steps: readonly number[];
}

const MAX_RANK = 4;
const BYTES = 4;

/** Whether the copies can do it: up to four axes, the last one without gaps. */
export function isGrid({ steps }: Pick<Grid, "steps">): boolean {
  return steps.length <= MAX_RANK && steps.length > 0 && steps.at(-1) === 1;
}

/** y = x at the grid. */
export function gatherGrid(x: Tensor, grid: Grid): Tensor {
  const y = emptyTensor(grid.counts);
  const inX = strided(x, grid);
  const inY = dense(y);
  copy(inX, inY, grid.counts);
  return y;
}

/** A tensor of `shape` that is y at the grid and `value` elsewhere. */
export function scatterGrid(y: Tensor, shape: readonly number[], grid: Grid, value = 0): Tensor {
  const x = emptyTensor(shape);
  kernels().fill(address(x), value, x.size);
  copy(dense(y), strided(x, grid), grid.counts);
  return x;
}

/** Where a grid's first element lies and how far apart its neighbours are along each of four axes, in bytes. */
interface Walk {
  start: number;
  strides: number[];
}

function strided(tensor: Tensor, { begin, steps }: Grid): Walk {
  const strides = byteStrides(tensor.shape);
  const offset = begin.reduce((sum, first, axis) => sum + first * strides[axis]!, 0);
  return { start: address(tensor) + offset, strides: strides.map((stride, axis) => stride * steps[axis]!) };
}

function dense(tensor: Tensor): Walk {
  return { start: address(tensor), strides: byteStrides(tensor.shape) };
}

function byteStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = BYTES;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}

function copy(from: Walk, to: Walk, counts: readonly number[]): void {
  const missing = MAX_RANK - counts.length;
  const [n0, n1, n2, run] = [...new Array<number>(missing).fill(1), ...counts] as [
    number,
    number,
    number,
    number,
  ];
  const outer = ({ strides }: Walk) =>
    [...new Array<number>(missing).fill(0), ...strides].slice(0, MAX_RANK - 1) as [number, number, number];
  kernels().copyGrid(from.start, to.start, n0, n1, n2, run, ...outer(from), ...outer(to));
}
