/** Operators that pick, repeat and regroup elements. */
import type { GraphBuilder } from "../graphBuilder.ts";
import type { Operation } from "../operation.ts";
import { type Activation, channelsLast } from "../values.ts";
import type { Converter } from "./converter.ts";

/** Copies that Tile makes along an axis at most; more come from hostile files. */
const MAX_REPEATS = 4096;

export const rearrange: Record<string, Converter> = {
  /** With known indices: a slice where they are evenly spaced. */
  Gather: (operation, graph) => {
    const x = operation.activation(0);
    const axis = operation.axis(operation.int("axis", 0), x.shape.length);
    if (axis === 0) throw operation.unsupported("it picks from the batch");
    const indices = operation.constant(1);
    const size = x.shape[axis]!;
    const list = (operation.optionalIntegers(1) ?? []).map((index) => (index < 0 ? index + size : index));
    const outside = list.find((index) => !(index >= 0 && index < size));
    if (list.length === 0 || outside !== undefined) {
      throw operation.invalid(`it picks [${list}] from an axis of ${size}`);
    }
    const picked = pick(operation, graph, x, axis, list);
    const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
    return graph.reshape(operation, picked, shape, "shape");
  },

  Tile: (operation, graph) => {
    const x = operation.activation(0);
    const own = operation.optionalIntegers(1) ?? [];
    const repeats = operation.isBatchHidden ? [1, ...own] : own;
    if (repeats.length !== x.shape.length || repeats.some((count) => !(count >= 1 && count <= MAX_REPEATS))) {
      throw operation.invalid(`it repeats [${x.shape}] [${repeats}] times`);
    }
    if (repeats[0] !== 1) throw operation.unsupported("it repeats the batch");
    const grown = x.shape.map((size, axis) => (size === 1 && axis > 0 ? repeats[axis]! : size));
    let value = graph.expand(operation, x, grown);
    for (const [axis, count] of repeats.entries()) {
      if (count === 1 || x.shape[axis] === 1) continue;
      const inputs = Array<string>(count).fill(value.name);
      const spec = { op: "concat", inputs, axis: value.order.indexOf(axis) } as const;
      value = graph.add(operation, spec, value.order, `axis${axis}`);
    }
    return value;
  },

  /** Channels become pixels: [C·b², H, W] → [C, H·b, W·b]. */
  DepthToSpace: (operation, graph) => {
    const x = graph.channelsLast(operation.activation(0));
    const [batch, channels, height, width] = imageShape(operation, x);
    const block = operation.int("blocksize", 0);
    const outputs = channels / block ** 2;
    if (!(block >= 1) || !Number.isInteger(outputs)) {
      throw operation.invalid(`it makes ${block} by ${block} pixels of ${channels} channels`);
    }
    const mode = operation.string("mode", "DCR");
    if (mode !== "DCR" && mode !== "CRD") throw operation.invalid(`its mode is "${mode}"`);
    const [rows, columns, depth] = mode === "DCR" ? [3, 4, 5] : [4, 5, 3];
    const split = mode === "DCR" ? [block, block, outputs] : [outputs, block, block];
    const parts = graph.view(operation, x, [batch, height, width, ...split], [0, 1, 2, 3, 4, 5], "parts");
    const moved = graph.reorder(parts, [0, 1, rows!, 2, columns!, depth!]);
    return graph.view(operation, moved, [batch, outputs, height * block, width * block], channelsLast(4));
  },

  /** Pixels become channels: [C, H·b, W·b] → [b·b·C, H, W]. */
  SpaceToDepth: (operation, graph) => {
    const x = graph.channelsLast(operation.activation(0));
    const [batch, channels, height, width] = imageShape(operation, x);
    const block = operation.int("blocksize", 0);
    if (!(block >= 1) || height % block !== 0 || width % block !== 0) {
      throw operation.invalid(`its image of ${height} by ${width} does not divide into blocks of ${block}`);
    }
    const [rows, columns] = [height / block, width / block];
    const parts = graph.view(
      operation,
      x,
      [batch, rows, block, columns, block, channels],
      [0, 1, 2, 3, 4, 5],
      "parts",
    );
    const moved = graph.reorder(parts, [0, 1, 3, 2, 4, 5]);
    return graph.view(operation, moved, [batch, channels * block ** 2, rows, columns], channelsLast(4));
  },
};

function imageShape(operation: Operation, x: Activation): [number, number, number, number] {
  if (x.shape.length !== 4) throw operation.unsupported(`its input has shape [${x.shape}]`);
  return x.shape as [number, number, number, number];
}

/** Elements of ONNX's axis, which stays. */
function pick(
  operation: Operation,
  graph: GraphBuilder,
  x: Activation,
  axis: number,
  indices: number[],
): Activation {
  const position = x.order.indexOf(axis);
  const [first] = indices as [number];
  const step = indices.length > 1 ? indices[1]! - first : 1;
  const isRegular = step >= 1 && indices.every((index, i) => index === first + i * step);
  if (!isRegular) {
    return graph.add(operation, { op: "gather", inputs: [x.name], axis: position, indices }, x.order);
  }
  if (indices.length === x.shape[axis] && step === 1) return x;
  const along = (value: number, other: (size: number) => number) =>
    x.order.map((k) => (k === axis ? value : other(x.shape[k]!)));
  return graph.add(
    operation,
    {
      op: "slice",
      inputs: [x.name],
      begin: along(first, () => 0),
      end: along(indices.at(-1)! + 1, (size) => size),
      steps: along(step, () => 1),
    },
    x.order,
  );
}
