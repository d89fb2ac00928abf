/** Keras's activation functions by name. */
import type { Activation } from "../../ir/graph.ts";
import type { LayerBuilder } from "./layerBuilder.ts";

const SIMPLE: Readonly<Record<string, Activation>> = {
  relu: { kind: "relu" },
  relu6: { kind: "clip", min: 0, max: 6 },
  sigmoid: { kind: "sigmoid" },
  tanh: { kind: "tanh" },
  leaky_relu: { kind: "leakyRelu", alpha: 0.2 },
  hard_swish: { kind: "hardSwish" },
  hard_silu: { kind: "hardSwish" },
};

const NAMES = ["linear", ...Object.keys(SIMPLE), "hard_sigmoid", "softmax", "swish", "silu"];

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
    case "swish":
    case "silu": {
      const gate = layer.activate(value, { kind: "sigmoid" }, "sigmoid");
      return layer.add({ op: "multiply", inputs: [value, gate] }, part);
    }
    default:
      throw layer.unsupported(`activation "${name}" is not supported; ${NAMES.join(", ")} are`);
  }
}

function nameOf(setting: unknown): string {
  if (setting === undefined || setting === null) return "linear";
  if (typeof setting !== "object") return String(setting);
  const { config, class_name: className } = setting as Record<string, unknown>;
  return typeof config === "string" ? config : String(className);
}
