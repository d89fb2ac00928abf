/** ONNX stores INT4 and UINT4 two to a byte, row-major, the earlier value in the low nibble. */

/** Packs integers in [−8, 15]; only their low 4 bits matter. An odd count leaves the last high nibble zero. */
export function packInt4(values: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array((values.length + 1) >> 1);
  for (let i = 0; i < values.length; i++) bytes[i >> 1]! |= (values[i]! & 15) << ((i & 1) * 4);
  return bytes;
}

/** The first `count` values of `bytes`: two's complement in [−8, 7] if signed, else [0, 15]. */
export function unpackInt4(bytes: Uint8Array, count: number, signed: boolean): Int8Array {
  return Int8Array.from({ length: count }, (_, i) => {
    const nibble = (bytes[i >> 1]! >> ((i & 1) * 4)) & 15;
    return signed && nibble > 7 ? nibble - 16 : nibble;
  });
}
