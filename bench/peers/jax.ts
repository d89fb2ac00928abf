/** jax-js on its wasm device: one thread in Node, which has no global Worker that it could spawn. */
import { blockUntilReady, defaultDevice, init, jit, numpy } from "@jax-js/jax";

const hadWorker = "Worker" in globalThis;
let started: Promise<void> | undefined;

/** Call after relaxed SIMD is switched on: jax-js looks for it once. */
async function start(): Promise<void> {
  await init("wasm");
  defaultDevice("wasm");
}

export interface Product {
  run(): Promise<void>;
  dispose(): void;
}

/** C = A · B of row-major operands, either of which may be stored transposed. */
export async function matMulJax(
  a: { shape: [number, number]; data: Float32Array },
  b: { shape: [number, number]; data: Float32Array },
  transposeA: boolean,
  transposeB: boolean,
): Promise<Product> {
  // onnxruntime-web leaves Node's Worker among the globals, by which jax-js believes itself in a page with threads.
  if (!hadWorker) Reflect.deleteProperty(globalThis, "Worker");
  started ??= start();
  await started;
  const [left, right] = [a, b].map(({ shape, data }) =>
    numpy.array(data as Float32Array<ArrayBuffer>).reshape(shape),
  ) as [numpy.Array, numpy.Array];
  await blockUntilReady([left.ref, right.ref]);
  const product = jit((x: numpy.Array, y: numpy.Array) =>
    numpy.matmul(transposeA ? x.transpose() : x, transposeB ? y.transpose() : y),
  );
  return {
    run: async () => {
      const c = product(left.ref, right.ref);
      await blockUntilReady(c.ref);
      c.dispose();
    },
    dispose: () => {
      left.dispose();
      right.dispose();
      product.dispose();
    },
  };
}
