/** Functions of two tensors, fused with an activation where the shapes allow. */
import { type Tensor, tensor1d, tidy } from "@tensorflow/tfjs-core";
import type { Activation, BinaryNode } from "../ir/graph.ts";
import { type ActivationCode, activationCode, isIdentity, isKnownByOutput } from "./activation.ts";
import { combine, sumTo } from "./broadcast.ts";
import { defineOp } from "./define.ts";
import { address, emptyTensor, isShared, kernels, share } from "./heap.ts";
import { reshape } from "./layout.ts";
import { groupedScaleShift, scaleShift } from "./normalize.ts";
import { applyScaleShift, once, rowsOf } from "./rows.ts";

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
    : broadcast.add({ a, b });
  return activated(sum, activation);
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
  if (sameShape(a, b)) return activated(multiplySame({ a, b }, {})[0]!, activation);
  const [wide, narrow] = a.size >= b.size ? [a, b] : [b, a];
  if (isPerChannel(narrow, wide)) {
    return scaleShift(wide, reshape(narrow, [narrow.size]), null, activation);
  }
  if (isPerImageChannel(narrow, wide)) {
    return groupedScaleShift(wide, narrow, null, activation, wide.shape[0]!);
  }
  return activated(broadcast.multiply({ a, b }), activation);
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

interface Derivatives {
  /** Of the result by a and by b, times dy; each in the result's shape. Tensors made on the way are tidied. */
  a(dy: Tensor, a: Tensor, b: Tensor): Tensor;
  b(dy: Tensor, a: Tensor, b: Tensor): Tensor;
}

const DERIVATIVES: Record<BinaryNode["op"], Derivatives> = {
  add: { a: (dy) => dy, b: (dy) => dy },
  subtract: { a: (dy) => dy, b: negative },
  multiply: { a: (dy, _, b) => combine("multiply", dy, b), b: (dy, a) => combine("multiply", dy, a) },
  divide: {
    a: (dy, _, b) => combine("divide", dy, b),
    b: (dy, a, b) => negative(combine("divide", combine("multiply", dy, a), combine("multiply", b, b))),
  },
  power: {
    a: (dy, a, b) => {
      const slope = combine("multiply", b, combine("power", a, combine("subtract", b, tensor1d([1]))));
      return combine("multiply", dy, slope);
    },
    b: (dy, a, b) => combine("multiply", dy, combine("multiply", combine("power", a, b), logarithm(a))),
  },
  minimum: {
    a: (dy, a, b) => combine("multiply", dy, combine("lessOrEqual", a, b)),
    b: (dy, a, b) => combine("multiply", dy, combine("less", b, a)),
  },
  maximum: {
    a: (dy, a, b) => combine("multiply", dy, combine("lessOrEqual", b, a)),
    b: (dy, a, b) => combine("multiply", dy, combine("less", a, b)),
  },
};

function negative(x: Tensor): Tensor {
  return combine("multiply", x, tensor1d([-1]));
}

function logarithm(x: Tensor): Tensor {
  return applyScaleShift(x, null, null, activationCode({ kind: "log" }), rowsOf(x));
}

function defineBinary(op: BinaryNode["op"]): (inputs: Pair) => Tensor {
  const isLinear = op === "add" || op === "subtract";
  const run = defineOp<Pair, { a: number[]; b: number[] }>({
    name: `Broadcast${op}`,
    forward: ({ a, b }) => combine(op, a, b),
    gradient: {
      savedInputs: isLinear ? [] : ["a", "b"],
      backward: ([dy], [a, b], shapes) => ({
        a: () => tidy(() => sumTo(DERIVATIVES[op].a(dy!, a!, b!), shapes.a)),
        b: () => tidy(() => sumTo(DERIVATIVES[op].b(dy!, a!, b!), shapes.b)),
      }),
    },
  });
  return ({ a, b }) => run({ a, b }, { a: a.shape, b: b.shape })[0]!;
}

const broadcast = Object.fromEntries(
  (Object.keys(DERIVATIVES) as BinaryNode["op"][]).map((op) => [op, defineBinary(op)]),
) as Record<BinaryNode["op"], (inputs: Pair) => Tensor>;

/**
 * y = act(a op b), shapes equal or broadcast as in NumPy. Gradients to a and b; where both are the lesser or the
 * greater, to a.
 */
export function binary(op: BinaryNode["op"], a: Tensor, b: Tensor, activation?: Activation): Tensor {
  if (op === "add") return add(a, b, activation);
  if (op === "multiply") return multiply(a, b, activation);
  return activated(broadcast[op]({ a, b }), activation);
}

/** The activation of z, which is used up. */
function activated(z: Tensor, activation: Activation | undefined): Tensor {
  if (!activation) return z;
  const y = scaleShift(z, null, null, activation);
  z.dispose();
  return y;
}
