/** A Graph evaluated for one image in float64 by plain loops: slow, and independent of every kernel. */
import { type Graph, type Node, quantRange } from "../../src/ir/graph.ts";
import { mixturesOf } from "../../src/ir/resizing.ts";
import { inferShapes } from "../../src/ir/shapes.ts";
import { naiveActivation } from "../kernels/activations.ts";

/** All values of the graph for one image, flat, the batch of 1 left out. */
export function evaluate(graph: Graph, feeds: Record<string, ArrayLike<number>>): Map<string, Float64Array> {
  const shapes = inferShapes(graph);
  const values = new Map<string, Float64Array>();
  for (const [name, { data }] of graph.constants) values.set(name, Float64Array.from(data));
  for (const [name, data] of Object.entries(feeds)) values.set(name, Float64Array.from(data));
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((name) => values.get(name)!);
    const y = compute(node, inputs, (name) => shapes.get(name)!.map((size) => Math.abs(size)));
    const activation = "activation" in node ? node.activation : undefined;
    values.set(node.output, activation ? y.map((value) => naiveActivation(activation, value)) : y);
  }
  return values;
}

const BINARY = {
  add: (a: number, b: number) => a + b,
  multiply: (a: number, b: number) => a * b,
  subtract: (a: number, b: number) => a - b,
  divide: (a: number, b: number) => a / b,
  power: (a: number, b: number) => a ** b,
  minimum: Math.min,
  maximum: Math.max,
};

function compute(
  node: Node,
  [x, ...rest]: Float64Array[],
  shapeOf: (name: string) => number[],
): Float64Array {
  const inShape = shapeOf(node.inputs[0]!);
  const outShape = shapeOf(node.output);
  const [, height = 1, width = 1] = inShape;
  const channels = inShape.at(-1)!;
  /** y[indices], with `indices` those of the output. */
  const fill = (value: (indices: number[]) => number) => {
    const out = new Float64Array(outShape.reduce((a, b) => a * b, 1));
    for (let i = 0; i < out.length; i++) {
      let left = i;
      const indices = outShape.map(() => 0);
      for (let axis = outShape.length - 1; axis >= 0; axis--) {
        indices[axis] = left % outShape[axis]!;
        left = Math.floor(left / outShape[axis]!);
      }
      out[i] = value(indices);
    }
    return out;
  };
  /** x at [0, row, column, channel]; 0 outside. */
  const at = (row: number, column: number, channel: number) =>
    row >= 0 && row < height && column >= 0 && column < width
      ? x![(row * width + column) * channels + channel]!
      : 0;
  switch (node.op) {
    case "conv2d":
    case "depthwiseConv2d": {
      const [kernelHeight, kernelWidth, depth, outer] = shapeOf(node.inputs[1]!) as [
        number,
        number,
        number,
        number,
      ];
      const isDepthwise = node.op === "depthwiseConv2d";
      const group = isDepthwise ? 0 : outer / node.groups;
      return fill(([, oh, ow, o]) => {
        let sum = rest[1]?.[o!] ?? 0;
        for (let kh = 0; kh < kernelHeight; kh++) {
          for (let kw = 0; kw < kernelWidth; kw++) {
            const row = oh! * node.strides[0] + kh * node.dilations[0] - node.padding.top;
            const column = ow! * node.strides[1] + kw * node.dilations[1] - node.padding.left;
            const tap = (kh * kernelWidth + kw) * depth * outer;
            if (isDepthwise) {
              sum += at(row, column, Math.floor(o! / outer)) * rest[0]![tap + o!]!;
            } else {
              for (let c = 0; c < depth; c++) {
                sum += at(row, column, Math.floor(o! / group) * depth + c) * rest[0]![tap + c * outer + o!]!;
              }
            }
          }
        }
        return sum;
      });
    }
    case "dense":
      return fill((indices) => {
        const outputs = outShape.at(-1)!;
        const o = indices.at(-1)!;
        const row = indices.slice(0, -1).reduce((sum, index, axis) => sum * outShape[axis]! + index, 0);
        let sum = rest[1]?.[o] ?? 0;
        for (let i = 0; i < channels; i++) sum += x![row * channels + i]! * rest[0]![i * outputs + o]!;
        return sum;
      });
    case "convTranspose2d": {
      const [kernelHeight, kernelWidth, depth, outputs] = shapeOf(node.inputs[1]!) as [
        number,
        number,
        number,
        number,
      ];
      return fill(([, row, column, o]) => {
        const first = Math.floor((o! * node.groups) / outputs) * depth;
        let sum = rest[1]?.[o!] ?? 0;
        for (let kh = 0; kh < kernelHeight; kh++) {
          for (let kw = 0; kw < kernelWidth; kw++) {
            const i = (row! + node.padding.top - kh * node.dilations[0]) / node.strides[0];
            const j = (column! + node.padding.left - kw * node.dilations[1]) / node.strides[1];
            if (!Number.isInteger(i) || !Number.isInteger(j)) continue;
            for (let c = 0; c < depth; c++) {
              const weight = rest[0]![((kh * kernelWidth + kw) * depth + c) * outputs + o!]!;
              sum += at(i, j, first + c) * weight;
            }
          }
        }
        return sum;
      });
    }
    case "batchNorm": {
      const [scale, offset, mean, variance] = rest as [
        Float64Array,
        Float64Array,
        Float64Array,
        Float64Array,
      ];
      return x!.map((value, i) => {
        const c = i % channels;
        return (scale[c]! * (value - mean[c]!)) / Math.sqrt(variance[c]! + node.epsilon) + offset[c]!;
      });
    }
    case "add":
    case "multiply":
    case "subtract":
    case "divide":
    case "power":
    case "minimum":
    case "maximum": {
      const other = shapeOf(node.inputs[1]!);
      const broadcast = (data: Float64Array, shape: number[], indices: number[]) => {
        let offset = 0;
        shape.forEach((size, axis) => {
          const index = indices[axis + indices.length - shape.length]!;
          offset = offset * size + (size === 1 ? 0 : index);
        });
        return data[offset]!;
      };
      return fill((indices) => {
        const [a, b] = [broadcast(x!, inShape, indices), broadcast(rest[0]!, other, indices)];
        return BINARY[node.op](a, b);
      });
    }
    case "activation":
      return x!;
    case "reshape":
      return x!;
    case "globalAveragePool":
      return fill(([, , , c]) => {
        let sum = 0;
        for (let i = c!; i < x!.length; i += channels) sum += x![i]!;
        return sum / (height * width);
      });
    case "slice":
      return fill(([, ...indices]) => {
        const [h, w, c] = indices.map((index, i) => node.begin[i + 1]! + index * node.steps[i + 1]!);
        return at(h!, w!, c!);
      });
    case "pad":
      return fill(([, ...indices]) => {
        const inside = indices.map((index, i) => {
          const from = index - node.before[i + 1]!;
          const size = inShape[i + 1]!;
          return node.mode === "reflect" ? size - 1 - Math.abs(size - 1 - Math.abs(from)) : from;
        });
        const isInside = inside.every((index, i) => index >= 0 && index < inShape[i + 1]!);
        return isInside ? at(inside[0]!, inside[1]!, inside[2]!) : node.value;
      });
    case "averagePool":
    case "maxPool":
      return fill(([, oh, ow, c]) => {
        const seen: number[] = [];
        for (let kh = 0; kh < node.kernel[0]; kh++) {
          for (let kw = 0; kw < node.kernel[1]; kw++) {
            const row = oh! * node.strides[0] + kh * node.dilations[0] - node.padding.top;
            const column = ow! * node.strides[1] + kw * node.dilations[1] - node.padding.left;
            const isInside = row >= 0 && row < height && column >= 0 && column < width;
            if (isInside) seen.push(at(row, column, c!));
          }
        }
        if (node.op === "maxPool") return Math.max(...seen);
        const count = node.countPadding ? node.kernel[0] * node.kernel[1] : seen.length;
        return seen.reduce((sum, value) => sum + value, 0) / count;
      });
    case "upsampleNearest":
      return fill(([, h, w, c]) =>
        at(Math.floor(h! / node.factors[0]), Math.floor(w! / node.factors[1]), c!),
      );
    case "concat": {
      const parts = [x!, ...rest];
      const sizes = node.inputs.map((name) => shapeOf(name)[node.axis]!);
      const inner = outShape.slice(node.axis + 1).reduce((a, b) => a * b, 1);
      return fill((indices) => {
        let [part, index] = [0, indices[node.axis]!];
        while (index >= sizes[part]!) index -= sizes[part++]!;
        const outer = indices.slice(0, node.axis).reduce((sum, at, axis) => sum * outShape[axis]! + at, 0);
        const within = indices
          .slice(node.axis + 1)
          .reduce((sum, at, i) => sum * outShape[node.axis + 1 + i]! + at, 0);
        return parts[part]![(outer * sizes[part]! + index) * inner + within]!;
      });
    }
    case "transpose":
      return fill((indices) => {
        const source = inShape.map((_, axis) => indices[node.permutation.indexOf(axis)]!);
        return x![source.reduce((sum, index, axis) => sum * inShape[axis]! + index, 0)]!;
      });
    case "matMul": {
      const other = shapeOf(node.inputs[1]!);
      const [rows, depth, columns] = [inShape.at(-2)!, channels, other.at(-1)!];
      const matrixAt = (shape: number[], outer: number[]) =>
        shape.slice(0, -2).reduce((sum, size, axis) => sum * size + (size === 1 ? 0 : outer[axis]!), 0);
      return fill((indices) => {
        const outer = indices.slice(0, -2);
        const [row, column] = indices.slice(-2) as [number, number];
        const a = matrixAt(inShape, outer) * rows * depth;
        const b = matrixAt(other, outer) * depth * columns;
        let sum = 0;
        for (let k = 0; k < depth; k++) sum += x![a + row * depth + k]! * rest[0]![b + k * columns + column]!;
        return sum;
      });
    }
    case "reduce": {
      const out: number[][] = Array.from({ length: outShape.reduce((a, b) => a * b, 1) }, () => []);
      x!.forEach((value, i) => {
        let left = i;
        let [to, step] = [0, 1];
        for (let axis = inShape.length - 1; axis >= 0; axis--) {
          const index = left % inShape[axis]!;
          left = Math.floor(left / inShape[axis]!);
          if (outShape[axis] !== 1) to += index * step;
          step *= outShape[axis]!;
        }
        out[to]!.push(value);
      });
      const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
      const reductions = {
        sum,
        mean: (values: number[]) => sum(values) / values.length,
        max: (values: number[]) => Math.max(...values),
        min: (values: number[]) => Math.min(...values),
      };
      return Float64Array.from(out, reductions[node.kind]);
    }
    case "resize": {
      const [rows, columns] = [mixturesOf(height, 0, node), mixturesOf(width, 1, node)];
      return fill(([, h, w, c]) => {
        const [row, column] = [rows[h!]!, columns[w!]!];
        const along = (r: number) =>
          (1 - column.share) * at(r, column.first, c!) + column.share * at(r, column.second, c!);
        return (1 - row.share) * along(row.first) + row.share * along(row.second);
      });
    }
    case "gather":
      return fill((indices) => {
        const source = indices.map((index, axis) => (axis === node.axis ? node.indices[index]! : index));
        return x![source.reduce((sum, index, axis) => sum * inShape[axis]! + index, 0)]!;
      });
    case "softmax": {
      const inner = inShape.slice(node.axis + 1).reduce((a, b) => a * b, 1);
      const size = inShape[node.axis]!;
      return x!.map((value, i) => {
        const first = Math.floor(i / (inner * size)) * inner * size + (i % inner);
        let sum = 0;
        for (let k = 0; k < size; k++) sum += Math.exp(x![first + k * inner]!);
        return Math.exp(value) / sum;
      });
    }
    case "fakeQuantize": {
      const { scale, zeroPoint } = node.params;
      const { qmin, qmax } = quantRange(node.params);
      return x!.map((value, i) => {
        const k = i % scale.length;
        // No test value lies on a tie, where Math.round would differ from rounding to even.
        const q = Math.min(Math.max(Math.round(value / scale[k]!) + zeroPoint[k]!, qmin), qmax);
        return (q - zeroPoint[k]!) * scale[k]!;
      });
    }
  }
}
