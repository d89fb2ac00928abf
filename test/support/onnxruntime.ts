/** onnxruntime, through its web build on one thread: what the files we write are held against. */
import * as ort from "onnxruntime-web";

export interface OrtTensor {
  shape: number[];
  data: Float32Array;
}

ort.env.wasm.numThreads = 1;
ort.env.logLevel = "error";

/** Levels of onnxruntime's graph optimization. */
export type Optimization = "disabled" | "basic" | "extended" | "all";
export const OPTIMIZATIONS: readonly Optimization[] = ["disabled", "basic", "extended", "all"];

/**
 * Runs an ONNX file.
 *
 * @param optimize What users get unless they ask for less: with "all" onnxruntime fuses QuantizeLinear, Conv and
 *   DequantizeLinear into integer kernels. With "disabled" every operator computes literally what the standard says.
 * @returns The file's outputs by name, as floats.
 */
export async function runOnnx(
  bytes: Uint8Array,
  feeds: Record<string, OrtTensor>,
  { optimize = "all" }: { optimize?: Optimization } = {},
): Promise<Record<string, OrtTensor>> {
  const session = await ort.InferenceSession.create(bytes, {
    executionProviders: ["wasm"],
    graphOptimizationLevel: optimize,
    intraOpNumThreads: 1,
    // Warnings (removed initializers and such) go to stderr and would drown vitest's report.
    logSeverityLevel: 3,
  });
  try {
    const inputs = Object.entries(feeds).map(
      ([name, { shape, data }]) => [name, new ort.Tensor("float32", data, shape)] as const,
    );
    const results = await session.run(Object.fromEntries(inputs));
    return Object.fromEntries(
      Object.entries(results).map(([name, value]) => [
        name,
        { shape: [...value.dims], data: Float32Array.from(value.data as Float32Array) },
      ]),
    );
  } finally {
    await session.release();
  }
}
