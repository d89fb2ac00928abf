/** C[M, N] = A · B with either operand stored transposed, for the shapes that networks bring. */
import { tidy } from "@tensorflow/tfjs-core";
import { matMul } from "../src/kernels/matmul.ts";
import { createCeilings, gflops, MULTIPLY_ADD_FLOP } from "./ceilings.ts";
import { randomTensor, valuesOf } from "./data.ts";
import { measure, type Row, ratesOf, type Table } from "./harness.ts";
import { matMulJax } from "./peers/jax.ts";
import { openOneNode } from "./peers/onnxruntime.ts";
import { openPeer } from "./peers/peer.ts";
import { matMulTfjs } from "./peers/tfjs.ts";

/** [M, N, K] */
const SHAPES: readonly [number, number, number][] = [
  // Classifiers.
  [128, 10, 64],
  [128, 1000, 768],
  // The generator's linear layer: latents to an 8×8 map of 128 channels.
  [128, 8192, 256],
  // Pointwise convolutions of MobileNetV1 0.75: one image at the end, sixteen from the middle to the start.
  [49, 768, 768],
  [3136, 384, 384],
  [12544, 192, 192],
  [50176, 96, 48],
  // As many rows as a 32×32 map of 128 images has, with few columns or little depth.
  [131072, 16, 16],
  [131072, 3, 64],
  [131072, 64, 3],
  [32768, 32, 144],
  [8192, 64, 576],
  [1024, 1024, 1024],
];

export const gemm: Table = {
  name: "gemm",
  async *rows(settings) {
    const { multiplyAdd } = await createCeilings(settings);
    for (const [m, n, k] of SHAPES) {
      for (const [transposeA, transposeB] of [
        [false, false],
        [false, true],
        [true, false],
        [true, true],
      ] as const) {
        const row = `${m}×${n}×${k} ${transposeA ? "Aᵀ" : "A"}·${transposeB ? "Bᵀ" : "B"}`;
        if (!settings.wants(row)) continue;
        const aShape: [number, number] = transposeA ? [k, m] : [m, k];
        const bShape: [number, number] = transposeB ? [n, k] : [k, n];
        const [a, b] = [randomTensor(aShape, 1), randomTensor(bShape, 2)];
        const operands = [
          { shape: aShape, data: valuesOf(a) },
          { shape: bShape, data: valuesOf(b) },
        ] as const;
        const attributes = { transA: { int: Number(transposeA) }, transB: { int: Number(transposeB) } };
        const onnxruntime = await openPeer("onnxruntime", settings, () =>
          openOneNode({ opType: "Gemm", operands: [...operands], attributes }),
        );
        const jax = await openPeer("jax", settings, () => matMulJax(...operands, transposeA, transposeB));
        const times = await measure(
          settings,
          {
            ours: () => tidy(() => void matMul(a, b, { transposeA, transposeB })),
            peak: multiplyAdd,
            tfjs: matMulTfjs(a, b, transposeA, transposeB),
          },
          { onnxruntime: onnxruntime?.run, jax: jax?.run },
        );
        await onnxruntime?.dispose();
        jax?.dispose();
        a.dispose();
        b.dispose();
        const rate = (milliseconds: number): number => gflops(2 * m * n * k, milliseconds);
        yield {
          table: "gemm",
          row,
          unit: "GFLOP/s",
          ours: rate(times.ours),
          peers: ratesOf({ tfjs: times.tfjs, onnxruntime: times.onnxruntime, jax: times.jax }, rate),
          ceiling: gflops(MULTIPLY_ADD_FLOP, times.peak),
        } satisfies Row;
      }
    }
  },
};
