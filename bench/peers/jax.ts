/** jax-js on its wasm device, on one thread: where there is no global Worker that it could spawn. */
import type { numpy } from "@jax-js/jax";
import type { Peer } from "./peer.ts";

let started: ReturnType<typeof start> | undefined;

/** Call after relaxed SIMD is switched on: jax-js looks for it once. */
async function start() {
  // Pages and Deno have one, and onnxruntime-web leaves Node's among the globals.
  Reflect.deleteProperty(globalThis, "Worker");
  const jax = await import("@jax-js/jax");
  await jax.init("wasm");
  jax.defaultDevice("wasm");
  return jax;
}

/** C = A · B of row-major operands, either of which may be stored transposed. */
export async function matMulJax(
  a: { shape: [number, number]; data: Float32Array },
  b: { shape: [number, number]; data: Float32Array },
  transposeA: boolean,
  transposeB: boolean,
): Promise<Peer> {
  started ??= start();
  const { blockUntilReady, jit, numpy } = await started;
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
