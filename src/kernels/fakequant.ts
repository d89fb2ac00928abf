/** Fake quantization of activations, with the straight-through gradients that learn its step size. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { GenieError } from "../errors.ts";
import { defineOp } from "./define.ts";
import { address, emptyTensor, kernels, scratch } from "./heap.ts";
import { MASK_SCRATCH_BYTES, maskThreshold, requireKey } from "./random.ts";

export interface FakeQuantizeOptions {
  /** Least and greatest code, integers. */
  qmin: number;
  qmax: number;
  /** QDrop's probability that an element stays float, to the nearest 2⁻¹⁶. Default 0. */
  dropProbability?: number;
  /** Key of the mask, unsigned 32-bit integers. Default 0. */
  seed?: number;
  stream?: number;
}

interface Attributes {
  qmin: number;
  qmax: number;
  threshold: number;
  seed: number;
  stream: number;
}

const fakeQuantizeOp = defineOp<{ v: Tensor; step: Tensor }, Attributes>({
  name: "FakeQuantize",
  forward: ({ v, step }, { qmin, qmax, threshold, seed, stream }) => {
    const out = emptyTensor(v.shape);
    const spare = scratch(MASK_SCRATCH_BYTES);
    kernels().fakeQuantize(
      address(v),
      address(step),
      address(out),
      v.size,
      qmin,
      qmax,
      threshold,
      seed,
      stream,
      spare,
    );
    return out;
  },
  gradient: {
    savedInputs: ["v", "step"],
    backward: ([dy], [v, step], { qmin, qmax, threshold, seed, stream }) => {
      const dv = emptyTensor(v!.shape);
      const dstep = emptyTensor(step!.shape);
      kernels().fakeQuantizeGradient(
        address(v!),
        address(step!),
        address(dy!),
        address(dv),
        address(dstep),
        v!.size,
        qmin,
        qmax,
        threshold,
        seed,
        stream,
        scratch(MASK_SCRATCH_BYTES),
      );
      return { v: () => dv, step: () => dstep };
    },
  },
});

/**
 * LSQ (Esser et al., 2020) with QDrop (Wei et al., 2022): v̂ = s·round(clip(v/s, qmin, qmax)), ties to even;
 * each element is left as it is with probability `dropProbability`.
 *
 * Gradients: ∂v̂/∂v = 1 where qmin ≤ v/s ≤ qmax, else 0; ∂v̂/∂s = round(v/s) − v/s there, qmin below and qmax
 * above. Of an element left as it is: 1 and 0. No gradient scaling. The mask is made again from its key in the
 * backward pass; it is never stored.
 *
 * @param v any shape
 * @param step s > 0, one element; a whole tensor has one step size
 * @returns the shape of v, differentiable to v and step
 * @throws GenieError `invalid-option` for a bad range, probability or key.
 */
export function fakeQuantize(v: Tensor, step: Tensor, options: FakeQuantizeOptions): Tensor {
  const { qmin, qmax, dropProbability = 0, seed = 0, stream = 0 } = options;
  requireRange(qmin, qmax);
  requireKey(seed, stream);
  if (step.size !== 1) throw new GenieError("invalid-option", `step has ${step.size} elements instead of 1`);
  const threshold = maskThreshold(dropProbability);
  return fakeQuantizeOp({ v, step }, { qmin, qmax, threshold, seed, stream })[0]!;
}

/**
 * What QuantizeLinear and DequantizeLinear (ONNX) do together: (clip(round(x/scale) + zeroPoint, qmin, qmax)
 * − zeroPoint)·scale, with a true division and ties to even. Not differentiable.
 *
 * @param x any shape
 * @param scale > 0, for the whole tensor
 */
export function quantizeDequantize(
  x: Tensor,
  scale: number,
  zeroPoint: number,
  qmin: number,
  qmax: number,
): Tensor {
  requireRange(qmin, qmax);
  const out = emptyTensor(x.shape);
  kernels().quantizeDequantize(address(x), address(out), x.size, scale, zeroPoint, qmin, qmax);
  return out;
}

/**
 * QDrop at a unit's input: every element is xq's with `probability` (to the nearest 2⁻¹⁶), else x's. Not
 * differentiable.
 *
 * @param x the float model's input of the unit, any shape
 * @param xq the quantized model's, the same shape
 */
export function mixInputs(x: Tensor, xq: Tensor, probability: number, seed: number, stream: number): Tensor {
  requireKey(seed, stream);
  if (x.size !== xq.size) {
    throw new GenieError("invalid-data", `mixInputs of [${x.shape}] and [${xq.shape}]: the shapes differ`);
  }
  const threshold = maskThreshold(probability);
  const out = emptyTensor(x.shape);
  const spare = scratch(MASK_SCRATCH_BYTES);
  kernels().mixInputs(address(x), address(xq), address(out), x.size, threshold, seed, stream, spare);
  return out;
}

function requireRange(qmin: number, qmax: number): void {
  if (!(Number.isInteger(qmin) && Number.isInteger(qmax) && qmin <= 0 && qmax > 0)) {
    throw new GenieError("invalid-option", `codes reach over 0 in integers, not from ${qmin} to ${qmax}`);
  }
}
