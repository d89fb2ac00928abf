/** Element-wise functions, and what is none at inference. */
import { type Activation, quantRange } from "../../../../ir/graph.ts";
import { TensorProto_DataType as DataType } from "../../onnx_pb.ts";
import { checkInference } from "../dropout.ts";
import type { GraphBuilder } from "../graphBuilder.ts";
import type { Operation } from "../operation.ts";
import { isFloat, typeName } from "../tensors.ts";
import { type Activation as NetworkValue, onnxOrder, type QuantizedValue, type Value } from "../values.ts";
import { FLOAT_MAX } from "./bounds.ts";
import { Composition } from "./composition.ts";
import type { Converter } from "./converter.ts";
import { nameOf } from "./layers.ts";

export const activations: Record<string, Converter> = {
  Relu: activation(() => ({ kind: "relu" })),
  LeakyRelu: activation((operation) => ({
    kind: "leakyRelu",
    alpha: operation.float("alpha", Math.fround(0.01)),
  })),
  Sigmoid: activation(() => ({ kind: "sigmoid" })),
  Tanh: activation(() => ({ kind: "tanh" })),
  HardSigmoid: activation((operation) => ({
    kind: "hardSigmoid",
    alpha: operation.float("alpha", Math.fround(0.2)),
    beta: operation.float("beta", 0.5),
  })),
  HardSwish: activation(() => ({ kind: "hardSwish" })),
  Abs: activation(() => ({ kind: "abs" })),
  Exp: activation(() => ({ kind: "exp" })),
  Log: activation(() => ({ kind: "log" })),
  Sqrt: activation(() => ({ kind: "sqrt" })),
  Reciprocal: activation(() => ({ kind: "reciprocal" })),
  Erf: activation(() => ({ kind: "erf" })),
  Mish: activation(() => ({ kind: "mish" })),
  Softplus: activation(() => ({ kind: "softplus" })),
  Softsign: activation(() => ({ kind: "softsign" })),
  Elu: activation((operation) => ({ kind: "elu", alpha: operation.float("alpha", 1) })),
  Selu: activation((operation) => ({
    kind: "selu",
    alpha: operation.float("alpha", Math.fround(1.6732632423543772)),
    gamma: operation.float("gamma", Math.fround(1.0507009873554805)),
  })),
  ThresholdedRelu: activation((operation) => ({
    kind: "thresholdedRelu",
    alpha: operation.float("alpha", 1),
  })),
  Gelu: activation((operation) => {
    const approximate = operation.string("approximate", "none");
    if (approximate !== "none" && approximate !== "tanh") {
      throw operation.invalid(`its approximation is "${approximate}"`);
    }
    return { kind: "gelu", approximate };
  }),
  /** max(x, 0) + min(alpha·(exp(x/alpha) − 1), 0) = alpha · elu(x/alpha) */
  Celu: (operation, graph) => {
    const compose = new Composition(operation, graph);
    const x = operation.activation(0);
    const alpha = operation.float("alpha", 1);
    const elu = { kind: "elu", alpha: 1 } as const;
    if (alpha === 1) return compose.apply(elu, x);
    const inner = compose.apply(elu, compose.number("multiply", x, 1 / alpha, "argument"), "elu");
    return compose.number("multiply", inner, alpha);
  },
  /** relu(x) + slope · min(x, 0) */
  PRelu: (operation, graph) => {
    const compose = new Composition(operation, graph);
    const x = operation.activation(0);
    const below = compose.apply({ kind: "clip", min: -FLOAT_MAX, max: 0 }, x, "negative");
    const scaled =
      operation.inputs[1]?.kind === "constant"
        ? compose.constant("multiply", below, operation.floatConstant(1), nameOf(operation, 1), "scaled")
        : compose.two("multiply", below, operation.activation(1), "scaled");
    return compose.two("add", compose.apply({ kind: "relu" }, x, "positive"), scaled);
  },
  /** x − bias where x > lambd, x + bias where x < −lambd, 0 between; of which biases 0 and lambd are in use. */
  Shrink: (operation, graph) => {
    const compose = new Composition(operation, graph);
    const x = operation.activation(0);
    const [bias, lambd] = [operation.float("bias", 0), operation.float("lambd", 0.5)];
    if (bias === lambd && bias >= 0) {
      const middle = compose.apply({ kind: "clip", min: -lambd, max: lambd }, x, "middle");
      return compose.two("subtract", x, middle);
    }
    if (bias !== 0 || lambd < 0) throw operation.unsupported(`its bias ${bias} is neither 0 nor ${lambd}`);
    const above = { kind: "thresholdedRelu", alpha: lambd } as const;
    const mirrored = compose.apply(above, compose.number("multiply", x, -1, "mirrored"), "below");
    return compose.two("subtract", compose.apply(above, x, "above"), mirrored);
  },
  /** x − max − ln Σ exp(x − max) */
  LogSoftmax: (operation, graph) =>
    normalized(operation, graph, (x, axis) => {
      const compose = new Composition(operation, graph);
      const shifted = compose.two("subtract", x, compose.reduce("max", x, [axis], "max"), "shifted");
      const sum = compose.reduce("sum", compose.apply({ kind: "exp" }, shifted, "exp"), [axis], "sum");
      return compose.two("subtract", shifted, compose.apply({ kind: "log" }, sum, "log"));
    }),
  /** Bounds are attributes up to operator set 10, optional inputs after. */
  Clip: (operation, graph) => {
    const [codes] = operation.inputs;
    if (codes?.kind === "quantized") return clipCodes(operation, codes);
    const min = operation.optionalScalar(1) ?? operation.float("min", -FLOAT_MAX);
    const max = operation.optionalScalar(2) ?? operation.float("max", FLOAT_MAX);
    return clip(operation, graph, 0, min, max);
  },
  Softmax: (operation, graph) =>
    normalized(operation, graph, (x, axis) =>
      graph.add(operation, { op: "softmax", inputs: [x.name], axis: x.order.indexOf(axis) }, x.order),
    ),
  Identity: (operation) => operation.inputs[0]!,
  Dropout: (operation) => {
    checkInference(operation);
    return operation.activation(0);
  },
  /** Between floating-point types: all of ours are single. */
  Cast: (operation) => {
    const to = operation.int("to", DataType.UNDEFINED) as DataType;
    if (!isFloat(to)) throw operation.unsupported(`it turns a value of the network into ${typeName(to)}`);
    return operation.activation(0);
  },
};

function activation(read: (operation: Operation) => Activation): Converter {
  return (operation, graph) => {
    const x = operation.activation(0);
    return graph.add(operation, { op: "activation", inputs: [x.name], activation: read(operation) }, x.order);
  };
}

/**
 * What `normalize` makes of a value along one of ONNX's axes. Before operator set 13, `axis` and all behind it are one
 * axis.
 */
function normalized(
  operation: Operation,
  graph: GraphBuilder,
  normalize: (x: NetworkValue, axis: number) => NetworkValue,
): Value {
  const x = operation.activation(0);
  const rank = x.shape.length;
  const isFlattened = operation.opset < 13;
  const axis = operation.axis(operation.int("axis", isFlattened ? 1 : -1), rank);
  if (axis === 0) throw operation.unsupported("it normalizes over the batch");
  const isOneAxis = x.shape.every((size, i) => i <= axis || size === 1);
  if (!isFlattened || isOneAxis) return normalize(x, axis);
  const behind = x.shape.slice(axis).reduce((product, size) => product * size, 1);
  const flat = graph.reorder(
    graph.reshape(operation, x, [...x.shape.slice(0, axis), behind], "flatten"),
    onnxOrder(axis + 1),
  );
  return graph.reshape(operation, normalize(flat, axis), x.shape, "unflatten");
}

function clip(operation: Operation, graph: GraphBuilder, index: number, min: number, max: number): Value {
  const x = operation.activation(index);
  const isRelu = min === 0 && max >= FLOAT_MAX;
  const activation: Activation = isRelu ? { kind: "relu" } : { kind: "clip", min, max };
  return graph.add(operation, { op: "activation", inputs: [x.name], activation }, x.order);
}

/** Codes between QuantizeLinear and DequantizeLinear that are cut off at the ends of a grid of fewer bits. */
function clipCodes(operation: Operation, value: QuantizedValue): QuantizedValue {
  const { qmin, qmax } = quantRange(value.params);
  const least = Math.max(operation.optionalScalar(1) ?? qmin, qmin);
  const most = Math.min(operation.optionalScalar(2) ?? qmax, qmax);
  const signed = least < 0;
  const bits = Math.log2(most - least + 1);
  const grid = Number.isInteger(bits) && bits >= 2 ? quantRange({ bits, signed }) : undefined;
  if (grid?.qmin !== least || grid.qmax !== most) {
    throw operation.unsupported(
      `it clips quantized integers to [${least}, ${most}], which is no grid of 2 to 8 bits`,
    );
  }
  return { ...value, params: { ...value.params, bits, signed } };
}
