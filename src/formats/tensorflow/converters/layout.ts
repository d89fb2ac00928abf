/** Operators that rearrange, join and pad values. */
import { constantOperand } from "../broadcast.ts";
import type { NetworkBuilder } from "../networkBuilder.ts";
import type { Operation } from "../operation.ts";
import { type Activation, fileShape, range } from "../values.ts";
import { applyFused } from "./activations.ts";
import type { Converter } from "./converter.ts";
import { reshapeTo } from "./reshape.ts";
import { image } from "./windows.ts";

const identity: Converter = (operation) => operation.activation(0);

/** Repetitions that become copies side by side. */
const MAX_COPIES = 256;

/** Elements of ones that repeat a value. */
const MAX_REPEATED = 2 ** 20;

export const layout: Record<string, Converter> = {
  Identity: identity,
  IdentityN: (operation) => operation.inputs.map((_, i) => operation.activation(i)),
  StopGradient: identity,
  PreventGradient: identity,
  /** Between floats; integers that stand for floats are dequantized where they are read. */
  Dequantize: identity,
  Quantize: identity,
  Cast: (operation) => {
    if (operation.flag("to_integer"))
      throw operation.unsupported("it makes integers of what the network computes");
    return operation.activation(0);
  },
  Reshape: (operation, graph) => {
    const target = operation.inputs[1] ? operation.integers(1) : (operation.numbers("new_shape") ?? []);
    return reshapeTo(operation, graph, operation.activation(0), target);
  },
  Squeeze: (operation, graph) => {
    const x = operation.activation(0);
    const shape = fileShape(x);
    const stated = operation.numbers("squeeze_dims") ?? [];
    const axes =
      stated.length > 0
        ? stated.map((axis) => operation.axis(axis, shape.length))
        : range(shape.length).filter((axis) => shape[axis] === 1);
    const isOne = (axis: number) => shape[axis] === 1 || (shape[axis] === -1 && graph.fixedBatch === 1);
    if (!axes.every(isOne)) throw operation.invalid(`it drops axes [${axes}] of [${shape}]`);
    return graph.dropAxes(operation, x, axes);
  },
  ExpandDims: (operation, graph) => {
    const x = operation.activation(0);
    return graph.insertAxis(operation, x, operation.axis(operation.scalar(1), x.axes.length + 1));
  },
  Transpose: (operation) => {
    const x = operation.activation(0);
    const permutation = operation.integers(1);
    if (permutation.toSorted((a, b) => a - b).join() !== range(x.axes.length).join()) {
      throw operation.invalid(`[${permutation}] does not permute the axes of [${fileShape(x)}]`);
    }
    return { ...x, axes: permutation.map((axis) => x.axes[axis]!) };
  },
  ConcatV2: (operation, graph) => {
    const axis = operation.scalar(operation.inputs.length - 1);
    return concatenate(operation, graph, operation.inputs.length - 1, axis);
  },
  Concat: (operation, graph) =>
    applyFused(
      operation,
      graph,
      concatenate(operation, graph, operation.inputs.length, operation.number("axis", 0)),
    ),
  Pack: (operation, graph) => {
    const values = operation.inputs.map((_, i) => operation.activation(i));
    const axis = operation.axis(operation.number("axis", 0), values[0]!.axes.length + 1);
    const parts = values.map((value) => graph.insertAxis(operation, value, axis, "part"));
    return join(operation, graph, parts, axis);
  },
  Pad: (operation, graph) => pad(operation, graph, "constant", 0),
  PadV2: (operation, graph) => pad(operation, graph, "constant", operation.scalar(2)),
  MirrorPad: (operation, graph) => {
    const mode = operation.text("mode", "REFLECT");
    if (mode !== "REFLECT") throw operation.unsupported(`mode ${mode}; only REFLECT is supported`);
    return pad(operation, graph, "reflect", 0);
  },
  Tile: (operation, graph) => {
    const x = operation.activation(0);
    const factors = operation.integers(1);
    const isPossible = factors.length === x.axes.length && factors.every((n) => n >= 1 && n <= MAX_COPIES);
    if (!isPossible || factors[x.axes.indexOf(0)]! > 1) {
      throw operation.unsupported(`it repeats [${fileShape(x)}] [${factors}] times`);
    }
    return factors.reduce((value, count, axis) => {
      if (count === 1) return value;
      const inputs = Array<string>(count).fill(value.name);
      return graph.add(
        operation,
        { op: "concat", inputs, axis: value.axes[axis]! },
        value.axes,
        `axis_${axis}`,
      );
    }, x);
  },
  /** A product with ones, which repeats by itself. */
  BroadcastTo: (operation, graph) => {
    const x = operation.activation(0);
    const target = operation.integers(1);
    const own = fileShape(x);
    const shape = target.map((size, axis) => {
      const have = own[axis - target.length + own.length];
      return have === -1 || have === size ? 1 : size;
    });
    const count = shape.reduce((product, size) => product * size, 1);
    if (!(count <= MAX_REPEATED)) throw operation.invalid(`it repeats [${own}] to [${target}]`);
    const ones = { name: `${operation.name}/ones`, shape, data: new Float32Array(count).fill(1) };
    const { x: aligned, name } = constantOperand(operation, graph, x, ones);
    return graph.add(operation, { op: "multiply", inputs: [aligned.name, name] }, aligned.axes);
  },
  /** [N, H, W, b·b·C] → [N, H·b, W·b, C] */
  DepthToSpace: (operation, graph) => {
    const x = image(operation, graph);
    const [, height, width, channels] = x.memory as [number, number, number, number];
    const block = operation.number("block_size", 2);
    const split = [-1, height, width, block, block, channels / block ** 2];
    const joined = [-1, height * block, width * block, channels / block ** 2];
    return rearrange(operation, graph, x, split, [0, 1, 3, 2, 4, 5], joined);
  },
  /** [N, H·b, W·b, C] → [N, H, W, b·b·C] */
  SpaceToDepth: (operation, graph) => {
    const x = image(operation, graph);
    const [, height, width, channels] = x.memory as [number, number, number, number];
    const block = operation.number("block_size", 2);
    const split = [-1, height / block, block, width / block, block, channels];
    const joined = [-1, height / block, width / block, channels * block ** 2];
    return rearrange(operation, graph, x, split, [0, 1, 3, 2, 4, 5], joined);
  },
};

function rearrange(
  operation: Operation,
  graph: NetworkBuilder,
  x: Activation,
  split: number[],
  permutation: number[],
  joined: number[],
): Activation {
  const apart = graph.view(operation, x, split, range(6), "apart");
  const moved = graph.add(
    operation,
    { op: "transpose", inputs: [apart.name], permutation },
    range(6),
    "moved",
  );
  return graph.view(operation, moved, joined, range(4));
}

function concatenate(operation: Operation, graph: NetworkBuilder, count: number, axis: number): Activation {
  const values = operation.inputs.slice(0, count).map((_, i) => operation.activation(i));
  if (values.length === 0) throw operation.invalid("it joins nothing");
  return join(operation, graph, values, operation.axis(axis, values[0]!.axes.length));
}

/** @param axis The file's. */
export function join(
  operation: Operation,
  graph: NetworkBuilder,
  values: readonly Activation[],
  axis: number,
): Activation {
  const isAlike = values.every(({ axes }) => axes.join() === values[0]!.axes.join());
  const parts = isAlike ? values : values.map((value) => graph.settle(value));
  const { axes } = parts[0]!;
  const place = axes[axis];
  if (!place || parts.some((part) => part.axes.join() !== axes.join())) {
    throw operation.unsupported(
      `it joins ${values
        .map((value) => `[${fileShape(value)}]`)
        .slice(0, 4)
        .join(", ")} along axis ${axis}`,
    );
  }
  return graph.add(operation, { op: "concat", inputs: parts.map(({ name }) => name), axis: place }, axes);
}

/** Paddings [rank, 2] of the file's axes. */
function pad(
  operation: Operation,
  graph: NetworkBuilder,
  mode: "constant" | "reflect",
  value: number,
): Activation {
  const x = operation.activation(0);
  const pairs = operation.integers(1);
  const rank = x.axes.length;
  if (pairs.length !== 2 * rank) throw operation.invalid(`its paddings of [${fileShape(x)}] are [${pairs}]`);
  const [before, after] = [x.memory.map(() => 0), x.memory.map(() => 0)];
  x.axes.forEach((axis, i) => {
    before[axis] = pairs[2 * i]!;
    after[axis] = pairs[2 * i + 1]!;
  });
  return graph.add(operation, { op: "pad", inputs: [x.name], before, after, mode, value }, x.axes);
}
