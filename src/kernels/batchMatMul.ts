/** Products of many matrices at once: what attention computes of its own values. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { broadcastShape, offsets, stepsOf, sumTo } from "./broadcast.ts";
import { defineOp } from "./define.ts";
import { address, emptyTensor, kernels, scratch } from "./heap.ts";

const BYTES = 4;

type Pair = { a: Tensor; b: Tensor };

interface Transposition {
  transposeA: boolean;
  transposeB: boolean;
}

const op = defineOp<Pair, { a: number[]; b: number[] }>({
  name: "BatchMatMul",
  forward: ({ a, b }) => products(a, b, { transposeA: false, transposeB: false }),
  gradient: {
    savedInputs: ["a", "b"],
    backward: ([dc], [a, b], shapes) => ({
      a: () => reduced(products(dc!, b!, { transposeA: false, transposeB: true }), shapes.a),
      b: () => reduced(products(a!, dc!, { transposeA: true, transposeB: false }), shapes.b),
    }),
  },
});

/**
 * C[…, m, p] = Σ_k A[…, m, k] · B[…, k, p], for each index of the axes in front, which broadcast as in NumPy.
 * Differentiable by both.
 *
 * @param a [N, …, M, K]
 * @param b [N, …, K, P], of the same rank
 */
export function batchMatMul(a: Tensor, b: Tensor): Tensor {
  return op({ a, b }, { a: a.shape, b: b.shape })[0]!;
}

function products(a: Tensor, b: Tensor, { transposeA, transposeB }: Transposition): Tensor {
  const [rowsA, columnsA] = a.shape.slice(-2) as [number, number];
  const [m, k] = transposeA ? [columnsA, rowsA] : [rowsA, columnsA];
  const n = b.shape.at(transposeB ? -2 : -1)!;
  const [batchA, batchB] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
  const batch = broadcastShape(batchA, batchB);
  const c = emptyTensor([...batch, m, n]);
  const wasm = kernels();
  const memory = scratch(wasm.matMulScratch(m, n, k));
  let target = address(c);
  for (const [i, j] of offsets(batch, [stepsOf(batch, batchA), stepsOf(batch, batchB)])) {
    const [left, right] = [address(a) + i * m * k * BYTES, address(b) + j * k * n * BYTES];
    wasm.matMul(left, right, target, m, n, k, transposeA, transposeB, memory);
    target += m * n * BYTES;
  }
  return c;
}

/** Of a gradient, what belongs to an operand that was broadcast; x is used up. */
function reduced(x: Tensor, shape: number[]): Tensor {
  const out = sumTo(x, shape);
  x.dispose();
  return out;
}
