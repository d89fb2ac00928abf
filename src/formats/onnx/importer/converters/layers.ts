/** Operators with weights: convolutions and batch normalization. */
import { permute } from "../../../graph/permute.ts";
import type { GraphBuilder } from "../graphBuilder.ts";
import type { Operation } from "../operation.ts";
import type { Activation, Value } from "../values.ts";
import type { Converter } from "./converter.ts";
import { asImage, readTransposedWindows, readWindows } from "./windows.ts";

export const layers: Record<string, Converter> = {
  /** W [O, C/groups, kH, kW] becomes [kH, kW, C/groups, O], or [kH, kW, C, M] where every channel is a group. */
  Conv: (operation, graph) => {
    const { image: given, restore } = asImage(operation, graph, operation.activation(0));
    const weights = asImageWeights(operation, operation.floatConstant(1), given);
    const [outputs, groupChannels, rows, columns] = weights.shape;
    const { ceilPadding, ...windows } = readWindows(operation, given.shape, [rows, columns]);
    const groups = operation.int("group", 1);
    const channels = given.shape[1]!;
    if (!(groups >= 1) || groupChannels * groups !== channels || outputs % groups !== 0) {
      throw operation.invalid(
        `weights [${weights.shape}] in ${groups} group(s) do not fit an input of shape [${given.shape}]`,
      );
    }
    const x = graph.channelsLast(given);
    const isDepthwise = groups === channels && groups > 1;
    const bias = optionalVector(operation, graph, 2, outputs);
    const moved = permute(weights.data, weights.shape, [2, 3, 1, 0]);
    if (isDepthwise) {
      // [kH, kW, 1, C·M] and [kH, kW, C, M] are the same memory: outputs of one channel are neighbours.
      const shape = [rows, columns, channels, outputs / channels];
      const filter = graph.addConstant(nameOf(operation, 1), shape, moved);
      const inputs = [x.name, filter, ...bias];
      return restore(graph.add(operation, { op: "depthwiseConv2d", inputs, ...windows }, x.order));
    }
    const filter = graph.addConstant(nameOf(operation, 1), [rows, columns, groupChannels, outputs], moved);
    const inputs = [x.name, filter, ...bias];
    return restore(graph.add(operation, { op: "conv2d", inputs, ...windows, groups }, x.order));
  },

  /** W [C, O/groups, kH, kW] becomes [kH, kW, C/groups, O]. */
  ConvTranspose: (operation, graph) => {
    const { image: given, restore } = asImage(operation, graph, operation.activation(0));
    const weights = asImageWeights(operation, operation.floatConstant(1), given);
    const [channels, groupOutputs, rows, columns] = weights.shape;
    const groups = operation.int("group", 1);
    if (!(groups >= 1) || channels !== given.shape[1] || channels % groups !== 0) {
      throw operation.invalid(
        `weights [${weights.shape}] in ${groups} group(s) do not fit an input of shape [${given.shape}]`,
      );
    }
    const windows = readTransposedWindows(operation, given.shape, [rows, columns]);
    const x = graph.channelsLast(given);
    const outputs = groupOutputs * groups;
    const grouped = [groups, channels / groups, groupOutputs, rows, columns];
    const filter = graph.addConstant(
      nameOf(operation, 1),
      [rows, columns, channels / groups, outputs],
      permute(weights.data, grouped, [3, 4, 1, 0, 2]),
    );
    const inputs = [x.name, filter, ...optionalVector(operation, graph, 2, outputs)];
    return restore(graph.add(operation, { op: "convTranspose2d", inputs, ...windows, groups }, x.order));
  },

  /** y = scale · (x − mean) / √(variance + epsilon) + B, per channel. */
  BatchNormalization: (operation, graph) => {
    if (isTraining(operation)) {
      throw operation.invalid(
        "it is in training form, which normalizes with the batch's own statistics: " +
          "export the model in evaluation mode (model.eval() in PyTorch)",
      );
    }
    const x = graph.channelsLast(operation.activation(0));
    const channels = x.shape[1] ?? 0;
    const statistics = [1, 2, 3, 4].flatMap((index) => optionalVector(operation, graph, index, channels));
    if (statistics.length !== 4) throw operation.invalid("it lacks scale, bias, mean or variance");
    const epsilon = operation.float("epsilon", 1e-5);
    return graph.add(operation, { op: "batchNorm", inputs: [x.name, ...statistics], epsilon }, x.order);
  },
};

/** Said by an attribute since operator set 14, by more outputs than one since 7, and before by another attribute. */
function isTraining(batchNorm: Operation): boolean {
  if (batchNorm.opset >= 14) return batchNorm.int("training_mode", 0) !== 0;
  if (batchNorm.opset >= 7) return batchNorm.outputs.length > 1;
  return batchNorm.int("is_test", 0) === 0;
}

/** A filter [O, C, kH, kW] or [O, C, k], which is one of height 1. */
function asImageWeights(
  operation: Operation,
  { shape, data }: { shape: number[]; data: Float32Array },
  x: Activation,
): { shape: [number, number, number, number]; data: Float32Array } {
  const [outer, inner, ...kernel] = shape as [number, number, ...number[]];
  const isLine = kernel.length === 1 && x.shape[2] === 1;
  if (!isLine && kernel.length !== 2) throw operation.invalid(`its weights have shape [${shape}]`);
  return { shape: [outer, inner, isLine ? 1 : kernel[0]!, kernel.at(-1)!], data };
}

/** The name of a constant input. */
export function nameOf(operation: Operation, index: number): string {
  const value: Value | undefined = operation.inputs[index];
  return value?.kind === "constant" ? value.name : `${operation.name}/${index}`;
}

/** Constant input `index`, [length], as a list of one name; none if it is not given. */
function optionalVector(operation: Operation, graph: GraphBuilder, index: number, length: number): string[] {
  if (!operation.inputs[index]) return [];
  const { shape, data } = operation.floatConstant(index);
  if (shape.length !== 1 || data.length !== length) {
    throw operation.invalid(`its input ${index} has shape [${shape}]; ${length} values expected`);
  }
  return [graph.addConstant(nameOf(operation, index), shape, data)];
}
