/** What a name in an ONNX graph can stand for while the graph is being read. */
import type { QuantParams } from "../../../ir/graph.ts";
import type { OnnxTensor } from "./tensors.ts";

/** Known from the file alone. */
export interface ConstantValue {
  kind: "constant";
  name: string;
  tensor: OnnxTensor;
}

/**
 * Computed by the network. `shape` is ONNX's, −1 standing for the batch, which is always ONNX's first axis.
 *
 * In memory axis i holds ONNX's axis `order[i]`, row-major. Convolutions work channels-last, so what they touch
 * has the order [0, 2, 3, 1]; reshapes need ONNX's own order. A Transpose only changes `shape` and `order`:
 * elements are moved when an operator asks for an order that the value does not have.
 */
export interface Activation {
  kind: "activation";
  /** Its name in our graph. */
  name: string;
  shape: number[];
  order: number[];
  /**
   * Where a file with a batch of 1 has done without that dimension: a channel shuffle, say, that makes [24, 2, H·W] of
   * [1, 48, H, W]. `shape` has the batch in front all the same, and the file's axes behind it.
   */
  isBatchHidden?: boolean;
}

/** Between QuantizeLinear and DequantizeLinear: integers, which our graph knows only as a pair of both. */
export interface QuantizedValue {
  kind: "quantized";
  source: Activation;
  params: QuantParams;
}

/** Computed behind the end of the network that we understand (`Tail`). */
export interface BeyondValue {
  kind: "beyond";
}

export type Value = ConstantValue | Activation | QuantizedValue | BeyondValue;

/** The order in which our kernels want rank-`rank` values: [N, …, C]. */
export function channelsLast(rank: number): number[] {
  return rank < 3 ? onnxOrder(rank) : [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1];
}

export function onnxOrder(rank: number): number[] {
  return Array.from({ length: rank }, (_, axis) => axis);
}

/** The shape in memory of a value of ONNX's `shape`. */
export function memoryShape(shape: readonly number[], order: readonly number[]): number[] {
  return order.map((axis) => shape[axis]!);
}

/** ONNX's shape of a value that measures `memory` in memory. */
export function onnxShape(memory: readonly number[], order: readonly number[]): number[] {
  return order.map((_, axis) => memory[order.indexOf(axis)]!);
}

/** Whether two orders of one value put its elements into the same sequence: they differ in axes of size 1. */
export function sameSequence(shape: readonly number[], a: readonly number[], b: readonly number[]): boolean {
  const moving = (order: readonly number[]) => order.filter((axis) => shape[axis] !== 1);
  const [left, right] = [moving(a), moving(b)];
  return left.every((axis, i) => axis === right[i]);
}
