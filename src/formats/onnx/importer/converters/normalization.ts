/** Normalizations by what the values themselves are, from means and differences. */
import type { NodeSpec } from "../../../graph/nodeSpec.ts";
import type { GraphBuilder } from "../graphBuilder.ts";
import type { Operation } from "../operation.ts";
import { elementCount } from "../tensors.ts";
import { type Activation, onnxOrder, type Value } from "../values.ts";
import { Composition } from "./composition.ts";
import type { Converter } from "./converter.ts";
import { nameOf } from "./layers.ts";

export const normalization: Record<string, Converter> = {
  /** Over all axes from `axis` on, with a scale and bias for each of their elements. */
  LayerNormalization: (operation, graph) => {
    const x = operation.activation(0);
    const axis = operation.axis(operation.int("axis", -1), x.shape.length);
    if (axis === 0) throw operation.unsupported("it normalizes over the batch");
    const { y, mean, inverse } = standardize(operation, graph, x, onnxOrder(x.shape.length).slice(axis));
    const outputs: Value[] = [scaled(operation, graph, y, 1, 2)];
    if (operation.outputs[1] || operation.outputs[2]) outputs.push(mean, inverse());
    return outputs;
  },

  /** x / √(mean x² + epsilon) · scale */
  RMSNormalization: (operation, graph) => {
    const compose = new Composition(operation, graph);
    const x = operation.activation(0);
    const axis = operation.axis(operation.int("axis", -1), x.shape.length);
    if (axis === 0) throw operation.unsupported("it normalizes over the batch");
    const axes = onnxOrder(x.shape.length).slice(axis);
    const square = compose.reduce("mean", compose.two("multiply", x, x, "square"), axes, "meanSquare");
    const root = rootOf(operation, compose, square);
    const y = compose.two("divide", x, root, "normal");
    return compose.constant("multiply", y, operation.floatConstant(1), nameOf(operation, 1));
  },

  /** Every channel of every image on its own. */
  InstanceNormalization: (operation, graph) => {
    const x = operation.activation(0);
    const { y } = standardize(operation, graph, x, onnxOrder(x.shape.length).slice(2));
    return scaled(operation, graph, y, 1, 2, (values) => perChannel(operation, values, x.shape));
  },

  /** Channels in groups: scale and bias by group up to operator set 20, then by channel. */
  GroupNormalization: (operation, graph) => {
    const x = operation.activation(0);
    const groups = operation.int("num_groups", 0);
    const [batch, channels, ...spatial] = x.shape as [number, number, ...number[]];
    if (!(groups >= 1) || channels % groups !== 0) {
      throw operation.invalid(`its ${channels} channels do not divide into ${groups} groups`);
    }
    const split = graph.reshape(operation, x, [batch, groups, channels / groups, ...spatial], "groups");
    const { y } = standardize(operation, graph, split, onnxOrder(split.shape.length).slice(2));
    const joined = graph.reshape(operation, y, x.shape, "channels");
    return scaled(operation, graph, joined, 1, 2, (values) => {
      const repeats = channels / values.length;
      const each = Number.isInteger(repeats)
        ? Float32Array.from({ length: channels }, (_, c) => values[Math.floor(c / repeats)]!)
        : values;
      return perChannel(operation, each, x.shape);
    });
  },

  /**
   * x / (bias + alpha/size · Σ x²)^beta, summed over `size` neighbouring channels: means of windows along an image's
   * channels laid out as its columns.
   */
  LRN: (operation, graph) => {
    const compose = new Composition(operation, graph);
    const x = graph.channelsLast(operation.activation(0));
    const size = operation.int("size", 0);
    if (!(size >= 1)) throw operation.invalid(`it sums over ${size} channels`);
    const pixels = elementCount(x.shape.slice(2));
    const square = compose.two("multiply", x, x, "square");
    const columns = graph.view(operation, square, [-1, pixels, x.shape[1]!, 1], onnxOrder(4), "columns");
    const spec: NodeSpec = {
      op: "averagePool",
      inputs: [columns.name],
      kernel: [1, size],
      strides: [1, 1],
      dilations: [1, 1],
      padding: { top: 0, bottom: 0, left: Math.floor((size - 1) / 2), right: Math.ceil((size - 1) / 2) },
      countPadding: true,
    };
    const mean = graph.add(operation, spec, columns.order, "mean");
    const energy = graph.view(operation, mean, x.shape, x.order, "energy");
    const alpha = compose.number("multiply", energy, operation.float("alpha", 1e-4), "alpha");
    const base = compose.number("add", alpha, operation.float("bias", 1), "base");
    const divisor = compose.number("power", base, operation.float("beta", 0.75), "divisor");
    return compose.two("divide", x, divisor);
  },
};

interface Standardized {
  y: Activation;
  mean: Activation;
  /** 1/√(variance + epsilon) */
  inverse(): Activation;
}

/** y = (x − mean) / √(variance + epsilon), both over `axes`. */
function standardize(
  operation: Operation,
  graph: GraphBuilder,
  x: Activation,
  axes: readonly number[],
): Standardized {
  const compose = new Composition(operation, graph);
  const mean = compose.reduce("mean", x, axes, "mean");
  const difference = compose.two("subtract", x, mean, "difference");
  const square = compose.two("multiply", difference, difference, "square");
  const root = rootOf(operation, compose, compose.reduce("mean", square, axes, "variance"));
  return {
    y: compose.two("divide", difference, root, "normal"),
    mean,
    inverse: () => compose.apply({ kind: "reciprocal" }, root, "inverse"),
  };
}

/** √(value + epsilon) */
function rootOf(operation: Operation, compose: Composition, value: Activation): Activation {
  const raised = compose.number("add", value, operation.float("epsilon", Math.fround(1e-5)), "epsilon");
  return compose.apply({ kind: "sqrt" }, raised, "deviation");
}

/** y · scale + bias, the constants being inputs `scale` and (optional) `bias` of the operation. */
function scaled(
  operation: Operation,
  graph: GraphBuilder,
  y: Activation,
  scale: number,
  bias: number,
  spread?: (values: Float32Array) => { shape: number[]; data: Float32Array },
): Activation {
  const compose = new Composition(operation, graph);
  const constant = (index: number) => {
    const value = operation.floatConstant(index);
    return spread ? spread(value.data) : value;
  };
  const hasBias = operation.inputs[bias] !== undefined;
  const role = hasBias ? "scaled" : undefined;
  const product = compose.constant("multiply", y, constant(scale), nameOf(operation, scale), role);
  return hasBias ? compose.constant("add", product, constant(bias), nameOf(operation, bias)) : product;
}

/** A value a channel as [C, 1, …]. */
function perChannel(operation: Operation, data: Float32Array, [, channels, ...spatial]: readonly number[]) {
  if (data.length !== channels) {
    throw operation.invalid(`it has ${data.length} scales or biases for ${channels} channels`);
  }
  return { shape: [data.length, ...spatial.map(() => 1)], data };
}
