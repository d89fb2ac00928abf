import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type QuantizedTensor, quantRange } from "../../src/ir/graph.ts";
import { byteScale, inBytes } from "../../src/ir/integerWeights.ts";
import { dequantize } from "../../src/ir/quantized.ts";

/** Random codes of two channels with a zero-point on the grid. */
const tensors = fc
  .record({ bits: fc.integer({ min: 2, max: 8 }), signed: fc.boolean() })
  .chain(({ bits, signed }) => {
    const { qmin, qmax } = quantRange({ bits, signed });
    const code = fc.integer({ min: qmin, max: qmax });
    return fc.record({
      codes: fc.array(code, { minLength: 6, maxLength: 6 }),
      zeroPoint: fc.tuple(code, code),
      scale: fc.tuple(fc.float({ min: Math.fround(1e-9), max: 10 }), fc.float({ min: 1, max: 2 })),
      bits: fc.constant(bits),
      signed: fc.constant(signed),
    });
  })
  .map(
    ({ codes, zeroPoint, scale, bits, signed }): QuantizedTensor => ({
      shape: [3, 2],
      data: Int16Array.from(codes),
      params: {
        bits,
        signed,
        perChannel: true,
        scale: Float32Array.from(scale),
        zeroPoint: Int32Array.from(zeroPoint),
      },
    }),
  );

describe("weights in bytes", () => {
  it("are the same weights, to the bit", () => {
    fc.assert(
      fc.property(tensors, (tensor) => {
        // −0 and 0 are one weight.
        const positive = (values: Float32Array) => values.map((value) => value + 0);
        expect(positive(dequantize(inBytes(tensor)))).toEqual(positive(dequantize(tensor)));
        expect(inBytes(tensor).params.scale).toEqual(byteScale(tensor));
      }),
    );
  });

  it("have no zero-points up to 7 bits, and two products with 8-bit codes stay within 16 bits up to 6", () => {
    fc.assert(
      fc.property(tensors, (tensor) => {
        const { data, params } = inBytes(tensor);
        if (tensor.params.bits < 8) {
          expect(params).toMatchObject({ bits: 8, signed: true, zeroPoint: Int32Array.of(0, 0) });
        }
        if (tensor.params.bits <= 6) {
          expect(Math.max(...data.map(Math.abs)) * 255 * 2).toBeLessThan(2 ** 15);
        }
      }),
    );
  });

  it("stay as they are where a byte does not hold them without their zero-point", () => {
    const tensor: QuantizedTensor = {
      shape: [2, 1],
      data: Int16Array.of(0, 255),
      params: {
        bits: 8,
        signed: false,
        perChannel: true,
        scale: Float32Array.of(0.1),
        zeroPoint: Int32Array.of(7),
      },
    };
    expect(inBytes(tensor)).toBe(tensor);
    expect(byteScale(tensor)).toEqual(tensor.params.scale);
  });
});
