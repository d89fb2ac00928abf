/** What a name in a TensorFlow network can stand for while the network is being read. */
import type { TensorConstant } from "./network.ts";

/** Known from the file alone. */
export interface ConstantValue {
  kind: "constant";
  name: string;
  tensor: TensorConstant;
}

/**
 * Computed by the network. In memory it measures `memory`, the batch (−1) first; axis i of the file lies in memory as
 * axis `axes[i]`:
 *
 *     file                  memory             axes
 *     [N, H, W, C]          [N, H, W, C]       [0, 1, 2, 3]
 *     [N, C, H, W]          [N, H, W, C]       [0, 3, 1, 2]   a transposition moves nothing until somebody minds
 *     [C]  or  [N·T, C]     [N, C], [N, T, C]  [1], [1, 2]    the batch of 1 is squeezed, or merged with what follows
 */
export interface Activation {
  kind: "activation";
  /** Its name in our graph. */
  name: string;
  memory: number[];
  axes: number[];
}

export type Value = ConstantValue | Activation;

/** The shape that the file gives the value; −1 stands for the batch. */
export function fileShape({ memory, axes }: Activation): number[] {
  return axes.map((axis) => memory[axis]!);
}

export function isBatchless({ axes }: Activation): boolean {
  return !axes.includes(0);
}

/** 0, 1, … of memory's axes, in the order of the file; a batch wherever the file has it. */
export function settledAxes({ axes }: Activation): number[] {
  let next = 1;
  return axes.map((axis) => (axis === 0 ? 0 : next++));
}

export function range(count: number, start = 0): number[] {
  return Array.from({ length: count }, (_, i) => start + i);
}

export function product(sizes: readonly number[]): number {
  return sizes.reduce((total, size) => total * size, 1);
}
