/** Folding of operators that create, move and repeat elements. The batch size travels along. */
import { TensorProto_DataType as DataType } from "../onnx_pb.ts";
import { checkInference } from "./dropout.ts";
import type { FoldContext, Folder } from "./folder.ts";
import { targetShape } from "./reshapeTarget.ts";
import { sliceRanges } from "./sliceRanges.ts";
import { splitSizes } from "./splitSizes.ts";
import { elementCount, int64s, type OnnxTensor } from "./tensors.ts";

export const movement: Record<string, Folder> = {
  Identity: ([x]) => [x!],
  Dropout: ([x], { operation }) => {
    checkInference(operation);
    return [x!];
  },
  Constant: (_inputs, context) => [constantOf(context)],
  Cast: ([x], context) => [cast(x!, context)],
  Shape: ([x], { operation }) => {
    const range = [operation.int("start", 0), operation.int("end", x!.shape.length)] as const;
    return [int64s(x!.shape.slice(...range))];
  },
  Size: ([x]) => [int64s([x!.data.length], [])],
  ConstantOfShape: ([shape], context) => {
    const value = context.operation.tensor("value");
    const out = context.create(value?.dataType ?? DataType.FLOAT, known(shape!, context));
    return [{ ...out, data: out.data.fill(value?.data[0] ?? 0) }];
  },
  Range: (inputs, context) => {
    const [start, limit, step] = inputs.map((input) => known(input!, context)[0]);
    if (start === undefined || limit === undefined || !step)
      throw context.operation.invalid("it has no step");
    const count = Math.max(0, Math.ceil((limit - start) / step));
    const out = context.create(inputs[0]!.dataType, [count]);
    for (let i = 0; i < count; i++) out.data[i] = start + i * step;
    return [out];
  },
  Gather: ([x, indices], context) => [gather(x!, indices!, context)],
  Concat: (inputs, context) => [
    concat(
      inputs.filter((input) => input !== undefined),
      context,
    ),
  ],
  Slice: ([x], context) => {
    const ranges = sliceRanges(context.operation, x!.shape);
    const steps = strides(x!.shape);
    return [
      pick(
        x!,
        ranges.map(({ count }) => count),
        ranges.map(({ step }, axis) => step * steps[axis]!),
        ranges.reduce((offset, { begin }, axis) => offset + begin * steps[axis]!, 0),
        context,
      ),
    ];
  },
  Split: ([x], context) => {
    const { operation } = context;
    const axis = operation.axis(operation.int("axis", 0), x!.shape.length);
    const steps = strides(x!.shape);
    let begin = 0;
    return splitSizes(operation, x!.shape[axis]!).map((count) => {
      const shape = x!.shape.map((size, i) => (i === axis ? count : size));
      const part = pick(x!, shape, steps, begin * steps[axis]!, context);
      begin += count;
      return part;
    });
  },
  Transpose: ([x], context) => {
    const { operation } = context;
    const permutation = operation.ints("perm") ?? x!.shape.map((_, axis) => axis).reverse();
    checkPermutation(permutation, x!.shape.length, context);
    const steps = strides(x!.shape);
    const shape = permutation.map((axis) => x!.shape[axis]!);
    return [
      pick(
        x!,
        shape,
        permutation.map((axis) => steps[axis]!),
        0,
        context,
      ),
    ];
  },
  Reshape: ([x, shape], context) => {
    const target = known(shape!, context);
    const isZeroLiteral = context.operation.int("allowzero", 0) === 1;
    return [{ ...x!, shape: targetShape(context.operation, x!.shape, target, isZeroLiteral) }];
  },
  Flatten: ([x], { operation }) => {
    const axis = flattenAxis(operation.int("axis", 1), x!.shape.length);
    return [{ ...x!, shape: [elementCount(x!.shape.slice(0, axis)), elementCount(x!.shape.slice(axis))] }];
  },
  Squeeze: ([x], { operation }) => {
    const axes = operation.ints("axes") ?? operation.optionalIntegers(1);
    const gone = axes?.map((axis) => operation.axis(axis, x!.shape.length));
    if (gone?.some((axis) => x!.shape[axis] !== 1)) {
      throw operation.invalid(`its axes [${axes}] of shape [${x!.shape}] are not all 1`);
    }
    const stays = (size: number, axis: number) => (gone ? !gone.includes(axis) : size !== 1);
    return [{ ...x!, shape: x!.shape.filter(stays) }];
  },
  Unsqueeze: ([x], { operation }) => {
    const axes = operation.ints("axes") ?? operation.optionalIntegers(1) ?? [];
    const rank = x!.shape.length + axes.length;
    const added = new Set(axes.map((axis) => operation.axis(axis, rank)));
    if (added.size !== axes.length) throw operation.invalid(`its axes [${axes}] name one axis twice`);
    const rest = x!.shape.values();
    return [
      {
        ...x!,
        shape: Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : rest.next().value!)),
      },
    ];
  },
  Tile: ([x, repeats], context) => {
    const counts = known(repeats!, context);
    if (counts.length !== x!.shape.length || counts.some((count) => !(count >= 0))) {
      throw context.operation.invalid(`it repeats [${x!.shape}] [${counts}] times`);
    }
    // [a, b] repeated [m, n] times is [1, a, 1, b] repeated to [m, a, n, b].
    const spread = x!.shape.flatMap((size) => [1, size]);
    const repeated = x!.shape.flatMap((size, axis) => [counts[axis]!, size]);
    const tiled = broadcastTo({ ...x!, shape: spread }, repeated, context);
    return [{ ...tiled, shape: x!.shape.map((size, axis) => size * counts[axis]!) }];
  },
  Expand: ([x, shape], context) => {
    const target = known(shape!, context);
    return [broadcastTo(x!, broadcastShape(x!.shape, target, context), context)];
  },
};

/** `axis` of Flatten, which may be the rank itself. */
export function flattenAxis(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : Math.min(axis, rank);
}

/** NumPy's shape of two operands. @throws GenieError `invalid-model` where they do not fit. */
export function broadcastShape(
  a: readonly number[],
  b: readonly number[],
  { operation }: FoldContext,
): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const left = a[axis - rank + a.length] ?? 1;
    const right = b[axis - rank + b.length] ?? 1;
    if (left !== right && left !== 1 && right !== 1) {
      throw operation.invalid(`shapes [${a}] and [${b}] do not broadcast`);
    }
    return left === 1 ? right : left;
  });
}

export function broadcastTo(x: OnnxTensor, shape: number[], context: FoldContext): OnnxTensor {
  if (shape.length === x.shape.length && shape.every((size, axis) => size === x.shape[axis])) return x;
  const lead = shape.length - x.shape.length;
  const steps = strides(x.shape);
  const repeat = shape.map((_, axis) =>
    axis < lead || x.shape[axis - lead] === 1 ? 0 : steps[axis - lead]!,
  );
  return pick(x, shape, repeat, 0, context);
}

/** The values of a tensor of integers, which must not depend on the batch size. */
function known(x: OnnxTensor, { operation }: FoldContext): number[] {
  if (x.batch) throw operation.unsupported("it computes a constant from the batch size, which is open");
  if (x.data.length > 4096) throw operation.invalid(`a shape of ${x.data.length} dimensions`);
  return Array.from(x.data);
}

function strides(shape: readonly number[]): number[] {
  const out = Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) out[axis] = out[axis + 1]! * shape[axis + 1]!;
  return out;
}

/** y[i, j, …] = x.flat[offset + i·steps[0] + j·steps[1] + …]. */
function pick(
  x: OnnxTensor,
  shape: number[],
  steps: readonly number[],
  offset: number,
  context: FoldContext,
): OnnxTensor {
  const out = context.create(x.dataType, shape);
  const batch = x.batch && new Float64Array(out.data.length);
  const index = Array<number>(shape.length).fill(0);
  let source = offset;
  for (let i = 0; i < out.data.length; i++) {
    out.data[i] = x.data[source]!;
    if (batch) batch[i] = x.batch![source]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      source += steps[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      source -= steps[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return withBatch(out, batch);
}

/** `batch` attached, unless no element depends on the batch size. */
export function withBatch(x: OnnxTensor, batch: Float64Array | undefined): OnnxTensor {
  return batch?.some((value) => value !== 0) ? { ...x, batch } : x;
}

function checkPermutation(permutation: number[], rank: number, { operation }: FoldContext): void {
  const sorted = [...permutation].sort((a, b) => a - b);
  if (sorted.length !== rank || sorted.some((axis, i) => axis !== i)) {
    throw operation.invalid(`[${permutation}] does not permute ${rank} axes`);
  }
}

function gather(x: OnnxTensor, indices: OnnxTensor, context: FoldContext): OnnxTensor {
  const { operation } = context;
  const axis = operation.axis(operation.int("axis", 0), x.shape.length);
  const size = x.shape[axis]!;
  const inner = elementCount(x.shape.slice(axis + 1));
  const outer = elementCount(x.shape.slice(0, axis));
  const out = context.create(x.dataType, [
    ...x.shape.slice(0, axis),
    ...indices.shape,
    ...x.shape.slice(axis + 1),
  ]);
  const batch = x.batch && new Float64Array(out.data.length);
  const positions = Array.from(indices.data, (index) => {
    const position = index < 0 ? index + size : index;
    if (indices.batch || !(position >= 0 && position < size)) {
      throw operation.invalid(`index ${index} is outside its axis of ${size}`);
    }
    return position;
  });
  // Empty shapes may have any other dimensions, which must not be counted through.
  if (out.data.length === 0) return out;
  let i = 0;
  for (let before = 0; before < outer; before++) {
    for (const position of positions) {
      for (let after = 0; after < inner; after++, i++) {
        const source = (before * size + position) * inner + after;
        out.data[i] = x.data[source]!;
        if (batch) batch[i] = x.batch![source]!;
      }
    }
  }
  return withBatch(out, batch);
}

function concat(inputs: OnnxTensor[], context: FoldContext): OnnxTensor {
  const { operation } = context;
  const first = inputs[0]!;
  const axis = operation.axis(operation.int("axis", 0), first.shape.length);
  for (const { shape } of inputs) {
    if (
      shape.length !== first.shape.length ||
      shape.some((size, i) => i !== axis && size !== first.shape[i])
    ) {
      throw operation.invalid(`shapes [${first.shape}] and [${shape}] differ beside axis ${axis}`);
    }
  }
  const shape = first.shape.map((size, i) =>
    i === axis ? inputs.reduce((sum, input) => sum + input.shape[axis]!, 0) : size,
  );
  const out = context.create(first.dataType, shape);
  const batch = inputs.some((input) => input.batch) ? new Float64Array(out.data.length) : undefined;
  const outer = elementCount(shape.slice(0, axis));
  if (out.data.length === 0) return out;
  let target = 0;
  for (let row = 0; row < outer; row++) {
    for (const input of inputs) {
      const run = input.data.length / outer;
      for (let i = row * run; i < (row + 1) * run; i++, target++) {
        out.data[target] = input.data[i]!;
        if (batch) batch[target] = input.batch?.[i] ?? 0;
      }
    }
  }
  return withBatch(out, batch);
}

function constantOf({ operation }: FoldContext): OnnxTensor {
  const tensor = operation.tensor("value");
  if (tensor) return tensor;
  if (operation.has("value_float")) {
    return {
      dataType: DataType.FLOAT,
      shape: [],
      data: Float32Array.of(operation.float("value_float", 0)),
    };
  }
  const floats = operation.floats("value_floats");
  if (floats) return { dataType: DataType.FLOAT, shape: [floats.length], data: Float32Array.from(floats) };
  if (operation.has("value_int")) return int64s([operation.int("value_int", 0)], []);
  const ints = operation.ints("value_ints");
  if (ints) return int64s(ints);
  throw operation.unsupported("its value is neither a tensor nor numbers");
}

function cast(x: OnnxTensor, { operation, create }: FoldContext): OnnxTensor {
  const to = operation.int("to", DataType.UNDEFINED) as DataType;
  const out = create(to, x.shape);
  const isWhole = out.data instanceof Float64Array;
  for (let i = 0; i < out.data.length; i++) {
    const value = x.data[i]!;
    out.data[i] = to === DataType.BOOL ? Number(value !== 0) : isWhole ? Math.trunc(value) : value;
  }
  return withBatch(out, x.batch);
}
