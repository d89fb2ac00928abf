/** Rounding to the nearest integer, ties to the even one: that of ONNX and of the SIMD instructions. */
export function roundToEven(value: number): number {
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
