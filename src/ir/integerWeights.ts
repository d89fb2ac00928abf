/** Weights as integer kernels like them best: signed bytes with zero-point 0. */
import type { QuantizedTensor } from "./graph.ts";

/** Bits of magnitude that the codes of fewer are brought to. */
const CODE_BITS = 6;

/**
 * The same weights in signed bytes, (q − zeroPoint)·2ᵏ steps of scale/2ᵏ with k = max(0, 6 − bits); as they were
 * where bytes do not hold these, as those of 8 bits with a zero-point.
 *
 * The factor is for the biases, which are whole steps of the products (`integerBias`). Of 2-bit weights and 4-bit
 * activations these are coarse: a DS-CNN with its biases rounded to them falls from 75.6 to 61.0 %. So no step is more
 * than a thirtieth of a channel's largest weight. Not to 7 bits: two such products with 8-bit activations would leave the
 * 16 bits in which x86 processors without VNNI add them.
 */
export function inBytes(tensor: QuantizedTensor): QuantizedTensor {
  const factor = byteFactor(tensor);
  if (factor === undefined) return tensor;
  const { perChannel, zeroPoint } = tensor.params;
  return {
    shape: tensor.shape,
    data: tensor.data.map((code, i) => (code - zeroPoint[i % zeroPoint.length]!) * factor),
    params: {
      bits: 8,
      signed: true,
      perChannel,
      scale: scaleBy(tensor, factor),
      zeroPoint: new Int32Array(zeroPoint.length),
    },
  };
}

/** 2ᵏ of `inBytes`, for codes of so many bits. */
export function codeFactor(bits: number): number {
  return 2 ** Math.max(0, CODE_BITS - bits);
}

/** The step sizes of `inBytes`. */
export function byteScale(tensor: QuantizedTensor): Float32Array<ArrayBuffer> {
  return scaleBy(tensor, byteFactor(tensor) ?? 1);
}

function scaleBy({ params }: QuantizedTensor, factor: number): Float32Array<ArrayBuffer> {
  return Float32Array.from(params.scale, (scale) => scale / factor);
}

/** The factor of codes that bytes hold. */
function byteFactor({ data, params: { bits, zeroPoint } }: QuantizedTensor): number | undefined {
  const factor = codeFactor(bits);
  const fits = data.every((code, i) => {
    const product = (code - zeroPoint[i % zeroPoint.length]!) * factor;
    return product >= -128 && product <= 127;
  });
  return fits ? factor : undefined;
}
