/** What the tables compute on. */
import { keep, type Tensor } from "@tensorflow/tfjs-core";
import { view } from "../src/kernels/heap.ts";
import { randomNormal } from "../src/kernels/random.ts";

/** Values from N(0, 1), kept until disposed; neither zeros nor denormals, which some cores treat specially. */
export function randomTensor(shape: readonly number[], stream = 0): Tensor {
  return keep(randomNormal(shape, 1, stream));
}

/** A copy of the tensor's values, for peers with a memory of their own. */
export function valuesOf(tensor: Tensor): Float32Array {
  return view(tensor).slice();
}
