/** Parts of a value: slices, splits, and what is gathered by constant indices. */
import type { NetworkBuilder } from "../networkBuilder.ts";
import type { Operation } from "../operation.ts";
import { type Range, sliceRanges, stridedRanges } from "../ranges.ts";
import { type Activation, fileShape } from "../values.ts";
import type { Converter } from "./converter.ts";

/** Most parts that an operator splits a value into. */
const MAX_PARTS = 1024;

export const slices: Record<string, Converter> = {
  Slice: (operation, graph) => {
    const x = operation.activation(0);
    return slice(
      operation,
      graph,
      x,
      sliceRanges(operation, fileShape(x), operation.integers(1), operation.integers(2)),
    );
  },
  StridedSlice: (operation, graph) => {
    const x = operation.activation(0);
    const { ranges, dropped, inserted } = stridedRanges(
      operation,
      fileShape(x),
      operation.integers(1),
      operation.integers(2),
      operation.integers(3),
    );
    if (dropped.some((axis) => x.axes[axis] === 0) && graph.fixedBatch !== 1) {
      throw operation.unsupported("it takes one image of the batch");
    }
    const isAltered = dropped.length + inserted.length > 0;
    const part = slice(operation, graph, x, ranges, isAltered ? "slice" : undefined);
    const squeezed = dropped.length > 0 ? graph.dropAxes(operation, part, dropped) : part;
    return inserted.reduce((value, axis) => graph.insertAxis(operation, value, axis), squeezed);
  },
  /** Inputs: the axis, x. */
  Split: (operation, graph) => {
    const x = operation.activation(1);
    const axis = operation.axis(operation.scalar(0), x.axes.length);
    const count = operation.number("num_split", operation.outputs.length);
    const size = fileShape(x)[axis]! / count;
    return split(operation, graph, x, axis, partSizes(operation, count, size));
  },
  /** Inputs: x, the parts' sizes, the axis. */
  SplitV: (operation, graph) => {
    const x = operation.activation(0);
    const axis = operation.axis(operation.scalar(2), x.axes.length);
    const stated = operation.integers(1);
    const rest = stated.reduce((left, size) => left - Math.max(size, 0), fileShape(x)[axis]!);
    return split(
      operation,
      graph,
      x,
      axis,
      stated.map((size) => (size === -1 ? rest : size)),
    );
  },
  Unpack: (operation, graph) => {
    const x = operation.activation(0);
    const axis = operation.axis(operation.number("axis", 0), x.axes.length);
    const size = fileShape(x)[axis]!;
    if (size === -1 && graph.fixedBatch === 1) return [graph.dropAxes(operation, x, [axis])];
    return split(operation, graph, x, axis, partSizes(operation, size, 1)).map((part) =>
      graph.dropAxes(operation, part, [axis], "part"),
    );
  },
  GatherV2: (operation, graph) => {
    const x = operation.activation(0);
    const stated = operation.inputs[2] ? operation.scalar(2) : operation.number("axis", 0);
    const axis = operation.axis(stated, x.axes.length);
    const place = x.axes[axis]!;
    const { shape } = operation.constant(1);
    const size = x.memory[place]!;
    const indices = operation.integers(1).map((index) => (index < 0 ? index + size : index));
    if (place === 0 || shape.length > 1 || !indices.every((index) => index >= 0 && index < size)) {
      throw operation.unsupported(
        `it gathers indices of shape [${shape}] from axis ${axis} of [${fileShape(x)}]`,
      );
    }
    const role = shape.length === 0 ? "gather" : undefined;
    const part = graph.add(operation, { op: "gather", inputs: [x.name], axis: place, indices }, x.axes, role);
    return shape.length === 0 ? graph.dropAxes(operation, part, [axis]) : part;
  },
  ReverseV2: (operation, graph) => {
    const x = operation.activation(0);
    return operation.integers(1).reduce((value, stated) => {
      const place = value.axes[operation.axis(stated, value.axes.length)]!;
      if (place === 0) throw operation.unsupported("it reverses the batch");
      const size = value.memory[place]!;
      if (size > 4096) throw operation.unsupported(`it reverses an axis of ${size}`);
      const indices = Array.from({ length: size }, (_, i) => size - 1 - i);
      return graph.add(operation, { op: "gather", inputs: [value.name], axis: place, indices }, value.axes);
    }, x);
  },
};

function partSizes(operation: Operation, count: number, size: number): number[] {
  if (!(Number.isInteger(count) && count >= 1 && count <= MAX_PARTS)) {
    throw operation.unsupported(`it makes ${count} parts`);
  }
  return Array<number>(count).fill(size);
}

function split(
  operation: Operation,
  graph: NetworkBuilder,
  x: Activation,
  axis: number,
  sizes: readonly number[],
): Activation[] {
  const shape = fileShape(x);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (shape[axis] === -1 || total !== shape[axis] || sizes.some((size) => !(size >= 1))) {
    throw operation.invalid(`it splits [${shape}] into [${sizes.slice(0, 16)}] along axis ${axis}`);
  }
  let begin = 0;
  return sizes.map((count, i) => {
    const ranges = shape.map((size, at) =>
      at === axis ? { begin, step: 1, count } : { begin: 0, step: 1, count: size },
    );
    begin += count;
    return slice(operation, graph, x, ranges, `part_${i}`);
  });
}

/** @param ranges Of the file's axes; a count of −1 is the whole batch. */
function slice(
  operation: Operation,
  graph: NetworkBuilder,
  x: Activation,
  ranges: readonly Range[],
  role?: string,
): Activation {
  const begin = x.memory.map(() => 0);
  const end = [...x.memory];
  const steps = x.memory.map(() => 1);
  x.axes.forEach((axis, i) => {
    if (axis === 0) return;
    const { begin: from, count, step } = ranges[i]!;
    if (count < 1) throw operation.invalid(`it takes nothing of [${fileShape(x)}]`);
    begin[axis] = from;
    end[axis] = from + (count - 1) * step + 1;
    steps[axis] = step;
  });
  const isWhole = begin.every(
    (from, axis) => from === 0 && end[axis] === x.memory[axis] && steps[axis] === 1,
  );
  if (isWhole) return x;
  return graph.add(operation, { op: "slice", inputs: [x.name], begin, end, steps }, x.axes, role);
}
