/** Sums and products of two tensors, fused with an activation where the shapes allow. */
import {
  customGrad,
  type Tensor,
  add as tfAdd,
  mul as tfMultiply,
  sum as tfSum,
} from "@tensorflow/tfjs-core";
import type { Activation } from "../ir/graph.ts";
import { type ActivationCode, activationCode, isIdentity, isKnownByOutput } from "./activation.ts";
import { defineOp } from "./define.ts";
import { address, emptyTensor, isShared, kernels, share } from "./heap.ts";
import { reshape } from "./layout.ts";
import { groupedScaleShift, scaleShift } from "./normalize.ts";
import { once } from "./rows.ts";

type Pair = { a: Tensor; b: Tensor };

function sumOf({ a, b }: Pair, { code: { kind, p0, p1 } }: { code: ActivationCode }): Tensor {
  const y = emptyTensor(a.shape);
  kernels().addArrays(address(a), address(b), address(y), a.size, kind, p0, p1);
  return y;
}

const addLinear = defineOp<Pair, { code: ActivationCode }>({
  name: "Add",
  forward: sumOf,
  gradient: { backward: ([dy]) => ({ a: () => share(dy!), b: () => share(dy!) }) },
});

const addActivate = defineOp<Pair, { code: ActivationCode }>({
  name: "AddActivate",
  forward: sumOf,
  gradient: {
    savedOutputs: [true],
    backward: ([dy], [y], { code: { kind, p0, p1 } }) => {
      const dz = once(() => {
        const out = emptyTensor(dy!.shape);
        kernels().activationGradientArrays(address(dy!), address(y!), address(out), dy!.size, kind, p0, p1);
        return out;
      });
      // One tensor for both: tfjs asks for the second before it lets go of the first.
      return { a: dz, b: () => share(dz()) };
    },
  },
});

/**
 * y = act(a + b), shapes equal or broadcast as in NumPy. Gradients to a and b.
 *
 * One pass where the shapes are equal or one side is [C], a bias. With an activation y is saved, else nothing.
 */
export function add(a: Tensor, b: Tensor, activation?: Activation): Tensor {
  const code = activationCode(activation);
  if (sameShape(a, b)) {
    if (isIdentity(code)) return addLinear({ a, b }, { code })[0]!;
    if (isKnownByOutput(code)) return addActivate({ a, b }, { code })[0]!;
  } else {
    const [wide, narrow] = a.size >= b.size ? [a, b] : [b, a];
    if (isPerChannel(narrow, wide)) {
      return scaleShift(wide, null, reshape(narrow, [narrow.size]), activation);
    }
  }
  const sum = sameShape(a, b)
    ? addLinear({ a, b }, { code: activationCode(undefined) })[0]!
    : broadcastAdd(a, b);
  return scaleShift(sum, null, null, activation);
}

/** a + b in the memory of one of them, where no other tensor is on it; both are used up. Shapes equal. */
export function addInPlace(a: Tensor, b: Tensor): Tensor {
  const target = [a, b].find((tensor) => !isShared(tensor)) ?? emptyTensor(a.shape);
  const { kind, p0, p1 } = activationCode(undefined);
  kernels().addArrays(address(a), address(b), address(target), a.size, kind, p0, p1);
  for (const tensor of [a, b]) if (tensor !== target) tensor.dispose();
  return target;
}

const multiplySame = defineOp<Pair, object>({
  name: "Multiply",
  forward: ({ a, b }) => product(a, b),
  gradient: {
    savedInputs: ["a", "b"],
    backward: ([dy], [a, b]) => ({ a: () => product(dy!, b!), b: () => product(dy!, a!) }),
  },
});

function product(a: Tensor, b: Tensor): Tensor {
  const { kind, p0, p1 } = activationCode(undefined);
  const y = emptyTensor(a.shape);
  kernels().multiplyArrays(address(a), address(b), address(y), a.size, kind, p0, p1);
  return y;
}

/**
 * y = act(a · b), shapes equal or broadcast as in NumPy. Gradients to a and b.
 *
 * One pass where one side is [C], or [N, 1, …, 1, C] beside [N, …, C] (squeeze and excitation).
 */
export function multiply(a: Tensor, b: Tensor, activation?: Activation): Tensor {
  if (sameShape(a, b)) return scaleShift(multiplySame({ a, b }, {})[0]!, null, null, activation);
  const [wide, narrow] = a.size >= b.size ? [a, b] : [b, a];
  if (isPerChannel(narrow, wide)) {
    return scaleShift(wide, reshape(narrow, [narrow.size]), null, activation);
  }
  if (isPerImageChannel(narrow, wide)) {
    return groupedScaleShift(wide, narrow, null, activation, wide.shape[0]!);
  }
  return scaleShift(broadcastMultiply(a, b), null, null, activation);
}

function sameShape(a: Tensor, b: Tensor): boolean {
  return a.rank === b.rank && a.shape.every((size, axis) => size === b.shape[axis]);
}

/** Whether `narrow` is one value for each channel of `wide`. */
function isPerChannel(narrow: Tensor, wide: Tensor): boolean {
  const channels = wide.shape.at(-1);
  return narrow.rank <= wide.rank && narrow.size === channels && narrow.shape.at(-1) === channels;
}

/** Whether `narrow` is [N, 1, …, 1, C] for a `wide` of [N, …, C]. */
function isPerImageChannel(narrow: Tensor, wide: Tensor): boolean {
  const last = wide.rank - 1;
  return (
    narrow.rank === wide.rank &&
    narrow.shape.every((size, axis) => size === (axis === 0 || axis === last ? wide.shape[axis] : 1))
  );
}

const broadcastAdd = customGrad((a, b) => ({
  value: tfAdd(a as Tensor, b as Tensor),
  gradFunc: (dy) => [sumTo(dy, (a as Tensor).shape), sumTo(dy, (b as Tensor).shape)],
})) as (a: Tensor, b: Tensor) => Tensor;

const broadcastMultiply = customGrad((a, b, save) => {
  (save as (tensors: Tensor[]) => void)([a as Tensor, b as Tensor]);
  return {
    value: tfMultiply(a as Tensor, b as Tensor),
    gradFunc: (dy, saved) => {
      const [left, right] = saved as Tensor[];
      return [sumTo(tfMultiply(dy, right!), left!.shape), sumTo(tfMultiply(dy, left!), right!.shape)];
    },
  };
}) as (a: Tensor, b: Tensor) => Tensor;

/** Sums x over the axes along which `shape` was broadcast. */
function sumTo(x: Tensor, shape: number[]): Tensor {
  const lead = x.rank - shape.length;
  const axes = x.shape
    .map((_, axis) => axis)
    .filter((axis) => axis < lead || shape[axis - lead] !== x.shape[axis]);
  return reshape(axes.length > 0 ? tfSum(x, axes, true) : x, shape);
}
