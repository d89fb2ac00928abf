/** Functions of one value, element by element, alone or fused to another operator. */
import type { Activation as ActivationFunction } from "../../../ir/graph.ts";
import { constantOperand } from "../broadcast.ts";
import type { NetworkBuilder } from "../networkBuilder.ts";
import type { Operation } from "../operation.ts";
import type { Activation } from "../values.ts";
import type { Converter } from "./converter.ts";

type Read = (operation: Operation) => ActivationFunction;

/** By TensorFlow's names, which are also those of functions fused to an operator. */
const functions: Readonly<Record<string, Read>> = {
  Relu: () => ({ kind: "relu" }),
  Relu6: () => ({ kind: "clip", min: 0, max: 6 }),
  ReluN1To1: () => ({ kind: "clip", min: -1, max: 1 }),
  Relu0To1: () => ({ kind: "clip", min: 0, max: 1 }),
  LeakyRelu: (operation) => ({ kind: "leakyRelu", alpha: operation.number("alpha", 0.2) }),
  Elu: () => ({ kind: "elu", alpha: 1 }),
  Selu: (operation) => ({
    kind: "selu",
    alpha: operation.number("alpha", 1.6732632423543772),
    gamma: operation.number("gamma", 1.0507009873554805),
  }),
  Sigmoid: () => ({ kind: "sigmoid" }),
  Tanh: () => ({ kind: "tanh" }),
  Softplus: () => ({ kind: "softplus" }),
  Softsign: () => ({ kind: "softsign" }),
  Swish: () => ({ kind: "silu" }),
  HardSwish: () => ({ kind: "hardSwish" }),
  Gelu: (operation) => ({ kind: "gelu", approximate: operation.flag("approximate") ? "tanh" : "none" }),
  Exp: () => ({ kind: "exp" }),
  Log: () => ({ kind: "log" }),
  Sqrt: () => ({ kind: "sqrt" }),
  Abs: () => ({ kind: "abs" }),
  Reciprocal: () => ({ kind: "reciprocal" }),
  Inv: () => ({ kind: "reciprocal" }),
  Erf: () => ({ kind: "erf" }),
  ClipByValue: (operation) => ({ kind: "clip", min: operation.scalar(1), max: operation.scalar(2) }),
};

export const activations: Record<string, Converter> = {
  ...Object.fromEntries(
    Object.entries(functions).map(([name, read]): [string, Converter] => [
      name,
      (operation, graph) => activate(operation, graph, operation.activation(0), read(operation)),
    ]),
  ),
  /** 1 / √x */
  Rsqrt: (operation, graph) => {
    const root = activate(operation, graph, operation.activation(0), { kind: "sqrt" }, "root");
    return activate(operation, graph, root, { kind: "reciprocal" });
  },
  Square: (operation, graph) => {
    const x = operation.activation(0);
    return graph.add(operation, { op: "multiply", inputs: [x.name, x.name] }, x.axes);
  },
  Neg: (operation, graph) => {
    const x = operation.activation(0);
    const minus = graph.constant(`${operation.name}/minus`, [1], "", () => Float32Array.of(-1));
    return graph.add(operation, { op: "multiply", inputs: [x.name, minus] }, x.axes);
  },
  /** max(x, 0) + alpha · min(x, 0) */
  Prelu: (operation, graph) => prelu(operation, graph, operation.activation(0), 1),
};

export function activate(
  operation: Operation,
  graph: NetworkBuilder,
  x: Activation,
  activation: ActivationFunction,
  role?: string,
): Activation {
  return graph.add(operation, { op: "activation", inputs: [x.name], activation }, x.axes, role);
}

/**
 * The functions that the file has fused to an operator, behind what it computes.
 *
 * @param slopes Which input has the slopes of a fused Prelu.
 */
export function applyFused(
  operation: Operation,
  graph: NetworkBuilder,
  value: Activation,
  slopes = 3,
): Activation {
  return operation.texts("fused_ops").reduce((x, name) => {
    if (name === "BiasAdd") return x;
    if (name === "Prelu") return prelu(operation, graph, x, slopes);
    const read = Object.hasOwn(functions, name) ? functions[name] : undefined;
    if (!read) throw operation.unsupported(`${name} fused to it`);
    const activation: ActivationFunction =
      name === "LeakyRelu"
        ? { kind: "leakyRelu", alpha: operation.number("leakyrelu_alpha", 0.2) }
        : read(operation);
    return activate(operation, graph, x, activation, name);
  }, value);
}

function prelu(operation: Operation, graph: NetworkBuilder, x: Activation, slopes: number): Activation {
  const tensor = operation.floats(slopes);
  const [alpha] = tensor.data;
  if (tensor.data.every((value) => value === alpha)) {
    return activate(operation, graph, x, { kind: "leakyRelu", alpha: alpha! }, "Prelu");
  }
  const below = activate(
    operation,
    graph,
    x,
    { kind: "clip", min: Number.NEGATIVE_INFINITY, max: 0 },
    "below",
  );
  const { x: aligned, name } = constantOperand(operation, graph, below, tensor);
  const scaled = graph.add(
    operation,
    { op: "multiply", inputs: [aligned.name, name] },
    aligned.axes,
    "scaled",
  );
  const above = activate(operation, graph, x, { kind: "relu" }, "above");
  return graph.add(operation, { op: "add", inputs: [above.name, scaled.name] }, x.axes);
}
