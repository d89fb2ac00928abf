/** Folding of operators that choose, join and rearrange elements. */
import { permute } from "../graph/permute.ts";
import { operand } from "./foldArithmetic.ts";
import type { FoldContext, Folder } from "./folder.ts";
import type { TensorConstant } from "./network.ts";
import { type Range, sliceRanges, stridedRanges } from "./ranges.ts";
import { product, range } from "./values.ts";

const identity: Folder = ([x], context) => operand(x, context);

export const movement: Record<string, Folder> = {
  Identity: identity,
  StopGradient: identity,
  PreventGradient: identity,
  Dequantize: identity,
  Quantize: identity,
  Cast: ([x], context) => {
    const { shape, data, isInteger } = operand(x, context);
    const toInteger = context.operation.flag("to_integer");
    const out = context.create(shape, toInteger);
    for (let i = 0; i < data.length; i++)
      out.data[i] = toInteger && !isInteger ? Math.trunc(data[i]!) : data[i]!;
    return out;
  },
  Reshape: ([x, shape], context) => {
    const source = operand(x, context);
    const stated = shape ? [...shape.data] : (context.operation.numbers("new_shape") ?? []);
    const known = product(stated.filter((size) => size !== -1));
    const target = stated.map((size) => (size === -1 ? source.data.length / known : size));
    return shaped(source, target, context);
  },
  Squeeze: ([x], context) => {
    const source = operand(x, context);
    const rank = source.shape.length;
    const stated = context.operation.numbers("squeeze_dims") ?? [];
    const axes = stated.map((axis) => context.operation.axis(axis, rank));
    const isKept = (size: number, axis: number) => (axes.length > 0 ? !axes.includes(axis) : size !== 1);
    return shaped(source, source.shape.filter(isKept), context);
  },
  ExpandDims: ([x, at], context) => {
    const source = operand(x, context);
    const axis = context.operation.axis(operand(at, context).data[0] ?? Number.NaN, source.shape.length + 1);
    return shaped(source, source.shape.toSpliced(axis, 0, 1), context);
  },
  Transpose: ([x, order], context) => {
    const source = operand(x, context);
    const axes = [...operand(order, context).data];
    if (axes.toSorted((a, b) => a - b).join() !== range(source.shape.length).join()) {
      throw context.operation.invalid(`[${axes}] does not permute the axes of [${source.shape}]`);
    }
    const out = context.create(
      axes.map((axis) => source.shape[axis]!),
      source.isInteger,
    );
    out.data.set(permute(source.data, source.shape, axes));
    return out;
  },
  ConcatV2: (inputs, context) => {
    const parts = inputs.slice(0, -1);
    const axis = context.operation.axis(
      inputs.at(-1)?.data[0] ?? Number.NaN,
      operand(parts[0], context).shape.length,
    );
    return joined(parts, axis, context);
  },
  Concat: (inputs, context) => {
    const rank = operand(inputs[0], context).shape.length;
    return joined(inputs, context.operation.axis(context.operation.number("axis", 0), rank), context);
  },
  Pack: (inputs, context) => {
    const { shape } = operand(inputs[0], context);
    const axis = context.operation.axis(context.operation.number("axis", 0), shape.length + 1);
    const parts = inputs.map((part) => shaped(part, part.shape.toSpliced(axis, 0, 1), context));
    return joined(parts, axis, context);
  },
  StridedSlice: ([x, begin, end, strides], context) => {
    const source = operand(x, context);
    const lists = [begin, end, strides].map((list) => [...operand(list, context).data]);
    const { ranges, shape } = stridedRanges(context.operation, source.shape, lists[0]!, lists[1]!, lists[2]!);
    return shaped(sliced(source, ranges, context), shape, context);
  },
  Slice: ([x, begin, size], context) => {
    const source = operand(x, context);
    const [from, sizes] = [begin, size].map((list) => [...operand(list, context).data]);
    return sliced(source, sliceRanges(context.operation, source.shape, from!, sizes!), context);
  },
  GatherV2: ([x, indices, axis], context) => {
    const source = operand(x, context);
    const at = context.operation.axis(
      axis?.data[0] ?? context.operation.number("axis", 0),
      source.shape.length,
    );
    const list = operand(indices, context);
    if (list.data.some((i) => !(i >= 0 && i < source.shape[at]!))) {
      throw context.operation.invalid(`it gathers indices outside of [${source.shape}]`);
    }
    const rank = list.shape.length;
    const shape = source.shape.toSpliced(at, 1, ...list.shape);
    return gathered(source, shape, context, (index, strides) => {
      const place = index.slice(at, at + rank).reduce((sum, i, k) => sum * list.shape[k]! + i, 0);
      const from = index.toSpliced(at, rank, list.data[place]!);
      return from.reduce((offset, i, k) => offset + i * strides[k]!, 0);
    });
  },
  Fill: ([dims, value], context) => {
    const { data, isInteger } = operand(value, context);
    const out = context.create([...operand(dims, context).data], isInteger);
    out.data.fill(data[0] ?? 0);
    return out;
  },
  Range: ([start, limit, delta], context) => {
    const [from, to, step] = [start, limit, delta].map((x) => operand(x, context).data[0] ?? Number.NaN);
    const count = Math.max(0, Math.ceil((to! - from!) / step!));
    const out = context.create([count], operand(start, context).isInteger);
    for (let i = 0; i < count; i++) out.data[i] = from! + i * step!;
    return out;
  },
};

function shaped(source: TensorConstant, shape: number[], { operation }: FoldContext): TensorConstant {
  if (product(shape) !== source.data.length) {
    throw operation.invalid(`shape [${source.shape}] cannot become [${shape}]`);
  }
  return { ...source, shape };
}

function joined(parts: readonly TensorConstant[], axis: number, context: FoldContext): TensorConstant {
  const first = operand(parts[0], context);
  for (const { shape } of parts) {
    if (
      shape.length !== first.shape.length ||
      shape.some((size, i) => i !== axis && size !== first.shape[i])
    ) {
      throw context.operation.invalid(
        `its inputs [${first.shape}] and [${shape}] differ beside axis ${axis}`,
      );
    }
  }
  const total = parts.reduce((sum, { shape }) => sum + shape[axis]!, 0);
  const out = context.create(
    first.shape.with(axis, total),
    parts.every(({ isInteger }) => isInteger),
  );
  const inner = product(first.shape.slice(axis + 1));
  const outer = product(first.shape.slice(0, axis));
  let before = 0;
  for (const { shape, data } of parts) {
    const run = shape[axis]! * inner;
    for (let i = 0; i < outer; i++) {
      out.data.set(data.subarray(i * run, (i + 1) * run), i * total * inner + before);
    }
    before += run;
  }
  return out;
}

function sliced(source: TensorConstant, ranges: readonly Range[], context: FoldContext): TensorConstant {
  return gathered(
    source,
    ranges.map(({ count }) => count),
    context,
    (index, strides) =>
      index.reduce(
        (offset, i, axis) => offset + (ranges[axis]!.begin + i * ranges[axis]!.step) * strides[axis]!,
        0,
      ),
  );
}

/** A tensor of `shape` whose element at an index is the source's at the offset that `place` says. */
function gathered(
  source: TensorConstant,
  shape: number[],
  context: FoldContext,
  place: (index: number[], strides: number[]) => number,
): TensorConstant {
  const out = context.create(shape, source.isInteger);
  const strides = source.shape.map((_, axis) => product(source.shape.slice(axis + 1)));
  const index = shape.map(() => 0);
  for (let i = 0; i < out.data.length; i++) {
    out.data[i] = source.data[place(index, strides)]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      if (++index[axis]! < shape[axis]!) break;
      index[axis] = 0;
    }
  }
  return out;
}
