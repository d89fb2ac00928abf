/** Element-wise functions of two tensors that broadcast as in NumPy, off the tape. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { reduceAxes } from "./axes.ts";
import { address, emptyTensor, kernels } from "./heap.ts";

/** The codes of `assembly/training/broadcast.ts`; the last three give 1 where it is so, else 0. */
const OPERATIONS = {
  first: 0,
  add: 1,
  multiply: 2,
  subtract: 3,
  divide: 4,
  power: 5,
  minimum: 6,
  maximum: 7,
  less: 8,
  lessOrEqual: 9,
  equal: 10,
} as const;

export type Operation = keyof typeof OPERATIONS;

/** Axes that one call of the kernel walks. */
const KERNEL_AXES = 4;
const BYTES = 4;

/** The axes of the result, those in one along which both operands go on alike. Steps in elements; the last are 0 or 1. */
interface Walk {
  sizes: number[];
  steps: [a: number[], b: number[]];
}

/** f(a, b) in the shape that both broadcast to. */
export function combine(operation: Operation, a: Tensor, b: Tensor): Tensor {
  const shape = broadcastShape(a.shape, b.shape);
  const y = emptyTensor(shape);
  const { sizes, steps } = walk(shape, a.shape, b.shape);
  const outer = Math.max(0, sizes.length - KERNEL_AXES);
  const inner = sizes.slice(outer).reduce((product, size) => product * size, 1);
  const axes = (values: number[], filling: number) =>
    [...Array<number>(Math.max(0, KERNEL_AXES - values.length)).fill(filling), ...values.slice(outer)] as [
      number,
      number,
      number,
      number,
    ];
  let target = address(y);
  // More axes than the kernel walks are met where operands broadcast in turns.
  for (const [from, to] of offsets(sizes.slice(0, outer), steps)) {
    kernels().broadcast(
      OPERATIONS[operation],
      address(a) + from * BYTES,
      address(b) + to * BYTES,
      target,
      ...axes(sizes, 1),
      ...axes(steps[0], 0),
      ...axes(steps[1], 0),
    );
    target += inner * BYTES;
  }
  return y;
}

/** x repeated to `shape`. */
export function broadcastTo(x: Tensor, shape: readonly number[]): Tensor {
  const like = emptyTensor(shape);
  const y = combine("first", x, like);
  like.dispose();
  return y;
}

/** x summed over the axes along which `shape` was broadcast to it. */
export function sumTo(x: Tensor, shape: readonly number[]): Tensor {
  const lead = x.rank - shape.length;
  const axes = x.shape
    .map((_, axis) => axis)
    .filter((axis) => axis < lead || shape[axis - lead] !== x.shape[axis]);
  return reduceAxes("sum", x, axes, shape);
}

/** NumPy's shape of two operands that fit. */
export function broadcastShape(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const [left, right] = [a[axis - rank + a.length] ?? 1, b[axis - rank + b.length] ?? 1];
    return left === 1 ? right : left;
  });
}

function walk(shape: readonly number[], ...operands: [readonly number[], readonly number[]]): Walk {
  const [ofA, ofB] = operands.map((operand) => stepsOf(shape, operand)) as [number[], number[]];
  const sizes: number[] = [];
  const steps: [number[], number[]] = [[], []];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis]!;
    if (size === 1) continue;
    const last = sizes[0];
    const goesOn =
      last !== undefined && ofA[axis] === steps[0][0]! * last && ofB[axis] === steps[1][0]! * last;
    if (goesOn) {
      sizes[0] = last * size;
      continue;
    }
    sizes.unshift(size);
    steps[0].unshift(ofA[axis]!);
    steps[1].unshift(ofB[axis]!);
  }
  return { sizes, steps };
}

/** Elements between neighbours of the operand along each axis of the result; 0 where it is repeated. */
export function stepsOf(shape: readonly number[], operand: readonly number[]): number[] {
  const steps = Array<number>(shape.length).fill(0);
  let step = 1;
  for (let axis = shape.length - 1; axis >= shape.length - operand.length; axis--) {
    const size = operand[axis - shape.length + operand.length]!;
    if (size > 1) steps[axis] = step;
    step *= size;
  }
  return steps;
}

/** Where both operands stand at each index of the outer axes, in row-major order. */
export function* offsets(sizes: readonly number[], [a, b]: Walk["steps"]): Generator<[number, number]> {
  const count = sizes.reduce((product, size) => product * size, 1);
  for (let i = 0; i < count; i++) {
    let left = i;
    let [from, to] = [0, 0];
    for (let axis = sizes.length - 1; axis >= 0; axis--) {
      const index = left % sizes[axis]!;
      left = Math.floor(left / sizes[axis]!);
      from += index * a[axis]!;
      to += index * b[axis]!;
    }
    yield [from, to];
  }
}
