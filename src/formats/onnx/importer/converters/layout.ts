/** Operators that move, cut and join elements. ONNX's axes are turned into axes in memory here. */
import { elementsPerImage } from "../../../../ir/shapeChecks.ts";
import type { NodeSpec } from "../../../graph/nodeSpec.ts";
import type { GraphBuilder } from "../graphBuilder.ts";
import type { Operation } from "../operation.ts";
import { targetShapeOfBatch } from "../reshapeTarget.ts";
import { type SliceRange, sliceRanges } from "../sliceRanges.ts";
import { splitSizes } from "../splitSizes.ts";
import { elementCount, int64s, type OnnxTensor } from "../tensors.ts";
import { type Activation, type ConstantValue, onnxOrder } from "../values.ts";
import type { Converter } from "./converter.ts";

export const layout: Record<string, Converter> = {
  Reshape: (operation, graph) => {
    const x = operation.activation(0);
    return graph.reshape(operation, x, targetShapeOfBatch(operation, x.shape, graph.fixedBatch));
  },
  Flatten: (operation, graph) => {
    const x = operation.activation(0);
    const stated = operation.int("axis", 1);
    if (operation.isBatchHidden) {
      const axis = stated < 0 ? stated + x.shape.length : stated + 1;
      return graph.reshape(operation, x, [
        -1,
        elementCount(x.shape.slice(1, axis)),
        elementCount(x.shape.slice(axis)),
      ]);
    }
    const axis = stated < 0 ? stated + x.shape.length : stated;
    const front = x.shape.slice(1, axis);
    if (axis < 1 || axis > x.shape.length || elementCount(front) !== 1) {
      throw operation.unsupported(
        `with axis ${stated} it mixes the batch of [${x.shape}] with other dimensions`,
      );
    }
    return graph.reshape(operation, x, [-1, elementCount(x.shape.slice(axis))]);
  },
  Squeeze: (operation, graph) => {
    const x = operation.activation(0);
    const rank = x.shape.length;
    const stated = operation.ints("axes") ?? operation.optionalIntegers(1);
    const axes = stated?.map((axis) => operation.axis(axis, rank));
    const gone = axes ?? onnxOrder(rank).filter((axis) => x.shape[axis] === 1);
    if (gone.some((axis) => x.shape[axis] !== 1)) {
      throw operation.unsupported(`it removes axes [${stated}] of [${x.shape}], which are not all 1`);
    }
    return graph.reshape(
      operation,
      x,
      x.shape.filter((_, axis) => !gone.includes(axis)),
    );
  },
  Unsqueeze: (operation, graph) => {
    const x = operation.activation(0);
    const stated = operation.ints("axes") ?? operation.optionalIntegers(1) ?? [];
    const rank = x.shape.length + stated.length;
    const axes = new Set(stated.map((axis) => operation.axis(axis, rank)));
    if (axes.has(0)) throw operation.unsupported("it puts a dimension in front of the batch");
    if (axes.size !== stated.length) throw operation.invalid(`its axes [${stated}] name one axis twice`);
    const rest = x.shape.values();
    const shape = Array.from({ length: rank }, (_, axis) => (axes.has(axis) ? 1 : rest.next().value!));
    return graph.reshape(operation, x, shape);
  },
  /** Nothing moves: the value is only read in another order. */
  Transpose: (operation) => {
    const x = operation.activation(0);
    const permutation = permutationOf(operation, x.shape.length);
    const inverse = onnxOrder(x.shape.length).map((axis) => permutation.indexOf(axis));
    if (permutation.length !== x.shape.length || inverse.includes(-1)) {
      throw operation.invalid(`[${permutation}] does not permute the axes of [${x.shape}]`);
    }
    if (permutation[0] !== 0) throw operation.unsupported("it moves the batch");
    return {
      ...x,
      shape: permutation.map((axis) => x.shape[axis]!),
      order: x.order.map((axis) => inverse[axis]!),
    };
  },
  Expand: (operation, graph) => {
    const x = operation.activation(0);
    const { data, batch } = operation.constant(1);
    const lead = x.shape.length - data.length;
    const shape = x.shape.map((size, axis) => {
      const target = axis < lead ? 1 : data[axis - lead]!;
      const factor = axis < lead ? 0 : (batch?.[axis - lead] ?? 0);
      const isBatch = factor === 1 ? target === 0 : factor === 0 && target === graph.fixedBatch;
      const isKept = target === size || (target === 1 && factor === 0) || (axis === 0 && isBatch);
      if (isKept) return size;
      if (size !== 1 || factor !== 0) throw operation.unsupported(`it repeats [${x.shape}] to [${data}]`);
      return target;
    });
    if (lead < 0) throw operation.unsupported(`it repeats [${x.shape}] to [${data}]`);
    return graph.expand(operation, x, shape);
  },
  Concat: (operation, graph) => {
    const inputs = operation.inputs.map((_, i) => operation.activation(i));
    const rank = inputs[0]!.shape.length;
    const axis = operation.axis(operation.int("axis", 1), rank);
    if (axis === 0) throw operation.unsupported("it joins along the batch");
    if (inputs.some(({ shape }) => shape.length !== rank)) {
      throw operation.invalid(`it joins shapes [${inputs.map(({ shape }) => `[${shape}]`).join(", ")}]`);
    }
    const largest = inputs.reduce((a, b) => (elementsPerImage(b.shape) > elementsPerImage(a.shape) ? b : a));
    const { order } = largest;
    const names = inputs.map((input) => graph.reorder(input, order).name);
    return graph.add(operation, { op: "concat", inputs: names, axis: order.indexOf(axis) }, order);
  },
  Slice: (operation, graph) => {
    const x = operation.activation(0);
    return slice(operation, graph, x, sliceRanges(operation, x.shape));
  },
  Split: (operation, graph) => {
    const x = operation.activation(0);
    const axis = operation.axis(operation.int("axis", 0), x.shape.length);
    if (axis === 0) throw operation.unsupported("it splits the batch");
    const parts = splitSizes(operation, x.shape[axis]!);
    let begin = 0;
    return parts.map((count, i) => {
      const ranges = x.shape.map((size): SliceRange => ({ begin: 0, step: 1, count: size }));
      ranges[axis] = { begin, step: 1, count };
      begin += count;
      return slice(operation, graph, x, ranges, i === 0 ? undefined : `part${i}`);
    });
  },
  Pad: (operation, graph) => {
    const x = operation.activation(0);
    const rank = x.shape.length;
    const mode = operation.string("mode", "constant");
    if (mode !== "constant" && mode !== "reflect") throw operation.unsupported(`mode "${mode}"`);
    const pads = operation.ints("pads") ?? operation.optionalIntegers(1) ?? [];
    const axes = operation.optionalIntegers(3)?.map((axis) => operation.axis(axis, rank)) ?? onnxOrder(rank);
    if (pads.length !== 2 * axes.length) throw operation.invalid(`${pads.length} pads for ${rank} axes`);
    if (pads.some((count) => count < 0)) throw operation.unsupported(`negative pads [${pads}]`);
    const at = (axis: number, offset: number) =>
      axes.includes(axis) ? pads[axes.indexOf(axis) + offset]! : 0;
    const before = x.order.map((axis) => at(axis, 0));
    const after = x.order.map((axis) => at(axis, axes.length));
    if (before[0] !== 0 || after[0] !== 0) throw operation.unsupported("it pads the batch");
    if (pads.every((count) => count === 0)) return x;
    const value = operation.optionalScalar(2) ?? operation.float("value", 0);
    return graph.add(operation, { op: "pad", inputs: [x.name], before, after, mode, value }, x.order);
  },
  Shape: (operation) => {
    const { shape } = operation.activation(0);
    const range = [operation.int("start", 0), operation.int("end", shape.length)] as const;
    const axes = onnxOrder(shape.length).slice(...range);
    const batch = Float64Array.from(axes, (axis) => (axis === 0 ? 1 : 0));
    const sizes = int64s(axes.map((axis) => (axis === 0 ? 0 : shape[axis]!)));
    return constant(operation, batch.includes(1) ? { ...sizes, batch } : sizes);
  },
  Size: (operation) => {
    const { shape } = operation.activation(0);
    return constant(operation, { ...int64s([0], []), batch: Float64Array.of(elementsPerImage(shape)) });
  },
};

function permutationOf(operation: Operation, rank: number): number[] {
  const stated = operation.ints("perm");
  if (!operation.isBatchHidden) return stated ?? onnxOrder(rank).reverse();
  const own = stated ?? onnxOrder(rank - 1).reverse();
  return [0, ...own.map((axis) => axis + 1)];
}

function slice(
  operation: Operation,
  graph: GraphBuilder,
  x: Activation,
  ranges: SliceRange[],
  role?: string,
): Activation {
  if (ranges.some(({ step }) => step < 1)) throw operation.unsupported("a negative step");
  if (ranges.every(({ count, step }, axis) => count === x.shape[axis] && step === 1)) return x;
  const inMemory = x.order.map((axis) => ranges[axis]!);
  const spec: NodeSpec = {
    op: "slice",
    inputs: [x.name],
    begin: inMemory.map(({ begin }) => begin),
    end: inMemory.map(({ begin, step, count }) => (count === -1 ? -1 : begin + (count - 1) * step + 1)),
    steps: inMemory.map(({ step }) => step),
  };
  return graph.add(operation, spec, x.order, role);
}

function constant(operation: Operation, tensor: OnnxTensor): ConstantValue {
  return { kind: "constant", name: operation.output, tensor };
}
