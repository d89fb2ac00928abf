/** Keras's activation functions by name. */
import type { Activation } from "../../ir/graph.ts";
import type { LayerBuilder } from "./layerBuilder.ts";

const SIMPLE: Readonly<Record<string, Activation>> = {
  relu: { kind: "relu" },
  relu6: { kind: "clip", min: 0, max: 6 },
  sigmoid: { kind: "sigmoid" },
  tanh: { kind: "tanh" },
  hard_tanh: { kind: "clip", min: -1, max: 1 },
  leaky_relu: { kind: "leakyRelu", alpha: 0.2 },
  hard_swish: { kind: "hardSwish" },
  hard_silu: { kind: "hardSwish" },
  swish: { kind: "silu" },
  silu: { kind: "silu" },
  elu: { kind: "elu", alpha: 1 },
  // Klambauer et al. (2017), to more digits.
  selu: { kind: "selu", alpha: 1.6732632423543772, gamma: 1.0507009873554805 },
  gelu: { kind: "gelu", approximate: "none" },
  mish: { kind: "mish" },
  softplus: { kind: "softplus" },
  softsign: { kind: "softsign" },
  exponential: { kind: "exp" },
};

const NAMES = ["linear", ...Object.keys(SIMPLE), "hard_sigmoid", "softmax", "log_softmax"];

/** `value` after the activation that the setting names; Keras 3 may write {class_name, config}. */
export function activated(layer: LayerBuilder, value: string, setting: unknown, part?: string): string {
  const name = nameOf(setting);
  const simple = Object.hasOwn(SIMPLE, name) ? SIMPLE[name] : undefined;
  if (simple) return layer.activate(value, simple, part);
  switch (name) {
    case "linear":
      return value;
    case "hard_sigmoid":
      return layer.activate(
        value,
        { kind: "hardSigmoid", alpha: layer.isKeras3 ? 1 / 6 : 0.2, beta: 0.5 },
        part,
      );
    case "softmax":
      return layer.add({ op: "softmax", inputs: [value], axis: layer.shapeOf(value).length - 1 }, part);
    case "log_softmax":
      return logSoftmax(layer, value, part);
    default:
      throw layer.unsupported(`activation "${name}" is not supported; ${NAMES.join(", ")} are`);
  }
}

/** d − log Σ exp d over the last axis, with d = x − max x */
function logSoftmax(layer: LayerBuilder, x: string, part: string | undefined): string {
  const axes = [layer.shapeOf(x).length - 1];
  const largest = layer.add({ op: "reduce", kind: "max", inputs: [x], axes }, "max");
  const difference = layer.add({ op: "subtract", inputs: [x, largest] }, "difference");
  const raised = layer.activate(difference, { kind: "exp" }, "exp");
  const sum = layer.add({ op: "reduce", kind: "sum", inputs: [raised], axes }, "sum");
  return layer.add(
    { op: "subtract", inputs: [difference, layer.activate(sum, { kind: "log" }, "log")] },
    part,
  );
}

function nameOf(setting: unknown): string {
  if (setting === undefined || setting === null) return "linear";
  if (typeof setting !== "object") return String(setting);
  const { config, class_name: className } = setting as Record<string, unknown>;
  return typeof config === "string" ? config : String(className);
}
