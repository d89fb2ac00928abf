/** Layers that are an activation function. */
import type { Activation, BinaryNode } from "../../ir/graph.ts";
import { activated } from "./activations.ts";
import type { LayerBuilder } from "./layerBuilder.ts";
import type { Converter } from "./layerConverters.ts";

/** The largest finite float32, for a side that a clip leaves open: files hold no infinity. */
const FLOAT_MAX = 3.4028234663852886e38;

export const activationConverters: Readonly<Record<string, Converter>> = {
  Activation: (layer) => activated(layer, layer.input, layer.config.activation),
  Softmax: (layer) => {
    const rank = layer.shapeOf(layer.input).length;
    const axis = layer.number("axis", -1);
    if (axis !== -1 && axis !== rank - 1) throw layer.unsupported(`axis ${axis}; only the last is supported`);
    return layer.add({ op: "softmax", inputs: [layer.input], axis: rank - 1 });
  },
  /** min(x > threshold ? x : 0, max_value) − negative_slope · max(threshold − x, 0); of threshold 0 max(x, 0) in front. */
  ReLU: (layer) => {
    const x = layer.input;
    const slope = layer.number("negative_slope", 0);
    const max = layer.number("max_value", Number.POSITIVE_INFINITY);
    const threshold = layer.number("threshold", 0);
    if (slope !== 0 && threshold === 0 && !Number.isFinite(max)) {
      return layer.activate(x, { kind: "leakyRelu", alpha: slope });
    }
    const steps: Activation[] = [];
    if (threshold !== 0) steps.push({ kind: "thresholdedRelu", alpha: threshold });
    if (Number.isFinite(max)) steps.push({ kind: "clip", min: 0, max });
    else if (threshold === 0) steps.push({ kind: "relu" });
    const isLast = (index: number) => slope === 0 && index === steps.length - 1;
    const positive = steps.reduce(
      (value, step, index) => layer.activate(value, step, isLast(index) ? undefined : "positive"),
      x,
    );
    if (slope === 0) return positive;
    const scaled = withNumber(layer, "multiply", x, -slope, "slope");
    const below = withNumber(layer, "add", scaled, slope * threshold, "threshold");
    const negative = layer.activate(below, { kind: "relu" }, "negative");
    return layer.add({ op: "subtract", inputs: [positive, negative] });
  },
  LeakyReLU: (layer) =>
    // Keras 2 calls it alpha.
    layer.activate(layer.input, {
      kind: "leakyRelu",
      alpha: layer.number("negative_slope", layer.number("alpha", 0.3)),
    }),
  ELU: (layer) => layer.activate(layer.input, { kind: "elu", alpha: layer.number("alpha", 1) }),
  ThresholdedReLU: (layer) =>
    layer.activate(layer.input, { kind: "thresholdedRelu", alpha: layer.number("theta", 1) }),
  /** max(x, 0) + alpha · min(x, 0), with alpha of size 1 along the axes that share it. */
  PReLU: (layer) => {
    const x = layer.input;
    const alpha = layer.weight("alpha", 0, layer.shapeOf(x).length - 1);
    const positive = layer.activate(x, { kind: "relu" }, "positive");
    const negative = layer.activate(x, { kind: "clip", min: -FLOAT_MAX, max: 0 }, "negative");
    const scaled = layer.add(
      { op: "multiply", inputs: [negative, layer.constant("alpha", alpha)] },
      "scaled",
    );
    return layer.add({ op: "add", inputs: [positive, scaled] });
  },
};

function withNumber(
  layer: LayerBuilder,
  op: BinaryNode["op"],
  x: string,
  value: number,
  part: string,
): string {
  const constant = layer.constant(`${part}/value`, { shape: [1], data: Float32Array.of(value) });
  return layer.add({ op, inputs: [x, constant] }, part);
}
