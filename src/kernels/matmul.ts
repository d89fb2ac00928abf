/** Matrix product, with either operand transposed, on our GEMM. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { GenieError } from "../errors.ts";
import { defineOp } from "./define.ts";
import { address, emptyTensor, kernels, scratch } from "./heap.ts";
import { reshape } from "./layout.ts";

export interface MatMulOptions {
  /** `a` is [K, M] instead of [M, K]. */
  transposeA?: boolean;
  /** `b` is [N, K] instead of [K, N]. */
  transposeB?: boolean;
}

type Attributes = Required<MatMulOptions>;

const run = defineOp<{ a: Tensor; b: Tensor }, Attributes>({
  name: "MatMul",
  forward: ({ a, b }, attributes) => product(a, b, attributes),
  gradient: {
    savedInputs: ["a", "b"],
    backward([dc], [a, b], { transposeA, transposeB }) {
      return {
        a: () =>
          transposeA
            ? product(b!, dc!, { transposeA: transposeB, transposeB: true })
            : product(dc!, b!, { transposeA: false, transposeB: !transposeB }),
        b: () =>
          transposeB
            ? product(dc!, a!, { transposeA: true, transposeB: transposeA })
            : product(a!, dc!, { transposeA: !transposeA, transposeB: false }),
      };
    },
  },
});

/**
 * C[m, n] = Σ_k A[m, k] · B[k, n], differentiable by both: dA = dC · Bᵀ, dB = Aᵀ · dC.
 *
 * @param a [M, K], or [K, M] with `transposeA`
 * @param b [K, N], or [N, K] with `transposeB`
 * @returns [M, N]
 * @throws GenieError `invalid-model` if a rank is not 2 or the two K differ.
 */
export function matMul(
  a: Tensor,
  b: Tensor,
  { transposeA = false, transposeB = false }: MatMulOptions = {},
): Tensor {
  if (a.rank !== 2 || b.rank !== 2) {
    throw new GenieError("invalid-model", `matMul takes matrices, not shapes [${a.shape}] and [${b.shape}]`);
  }
  const [depthA, depthB] = [a.shape[transposeA ? 0 : 1], b.shape[transposeB ? 1 : 0]];
  if (depthA !== depthB) {
    throw new GenieError(
      "invalid-model",
      `matMul: inner sizes ${depthA} and ${depthB} of [${a.shape}]${transposeA ? "ᵀ" : ""} and [${b.shape}]${transposeB ? "ᵀ" : ""} differ`,
    );
  }
  return run({ a, b }, { transposeA, transposeB })[0]!;
}

/**
 * y[…, o] = Σ_i x[…, i] · kernel[i, o]: one product over all that is in front of the last axis. Differentiable by both.
 *
 * @param x [N, …, I]
 * @param kernel [I, O]
 */
export function dense(x: Tensor, kernel: Tensor): Tensor {
  if (x.rank === 2) return matMul(x, kernel);
  const rows = reshape(x, [-1, x.shape.at(-1)!]);
  const product = matMul(rows, kernel);
  const y = reshape(product, [...x.shape.slice(0, -1), kernel.shape[1]!]);
  for (const value of [rows, product]) value.dispose();
  return y;
}

function product(a: Tensor, b: Tensor, { transposeA, transposeB }: Attributes): Tensor {
  const [m, k] = (transposeA ? [a.shape[1], a.shape[0]] : a.shape) as [number, number];
  const n = b.shape[transposeB ? 0 : 1]!;
  const c = emptyTensor([m, n]);
  const wasm = kernels();
  const memory = scratch(wasm.matMulScratch(m, n, k));
  wasm.matMul(address(a), address(b), address(c), m, n, k, transposeA, transposeB, memory);
  return c;
}
