/** Row-major data with its axes reordered: axis k of the result is axis `permutation[k]` of the source. */
export function permute<T extends Float32Array | Float64Array | Int16Array>(
  data: T,
  shape: readonly number[],
  permutation: readonly number[],
): T {
  const rank = shape.length;
  const strides = Array<number>(rank).fill(1);
  for (let axis = rank - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1]! * shape[axis + 1]!;
  const sizes = permutation.map((axis) => shape[axis]!);
  const steps = permutation.map((axis) => strides[axis]!);
  const out = data.slice() as T;
  const index = Array<number>(rank).fill(0);
  let source = 0;
  for (let i = 0; i < out.length; i++) {
    out[i] = data[source]!;
    for (let axis = rank - 1; axis >= 0; axis--) {
      source += steps[axis]!;
      if (++index[axis]! < sizes[axis]!) break;
      source -= steps[axis]! * sizes[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}
