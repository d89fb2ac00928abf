/** Operators with weights: convolutions, dense layers, batch normalization. */
import { permute } from "../../permute.ts";
import type { GraphBuilder } from "../graphBuilder.ts";
import type { Operation } from "../operation.ts";
import type { Value } from "../values.ts";
import type { Converter } from "./converter.ts";
import { checkImage, readWindows } from "./windows.ts";

export const layers: Record<string, Converter> = {
  /** W [O, C/groups, kH, kW] becomes [kH, kW, C/groups, O], or [kH, kW, C, M] where every channel is a group. */
  Conv: (operation, graph) => {
    const given = operation.activation(0);
    checkImage(operation, given);
    const weights = operation.floatConstant(1);
    if (weights.shape.length !== 4) throw operation.invalid(`its weights have shape [${weights.shape}]`);
    const [outputs, groupChannels, rows, columns] = weights.shape as [number, number, number, number];
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
      return graph.add(operation, { op: "depthwiseConv2d", inputs, ...windows }, x.order);
    }
    const filter = graph.addConstant(nameOf(operation, 1), [rows, columns, groupChannels, outputs], moved);
    return graph.add(
      operation,
      { op: "conv2d", inputs: [x.name, filter, ...bias], ...windows, groups },
      x.order,
    );
  },

  /** y = alpha · A · B + beta · C, with A [N, I] (a network's batch is never transposed) and B constant. */
  Gemm: (operation, graph) => {
    const x = operation.activation(0);
    const weights = operation.floatConstant(1);
    if (operation.int("transA", 0) !== 0) throw operation.unsupported("it transposes the batch (transA)");
    if (x.shape.length !== 2 || weights.shape.length !== 2) {
      throw operation.invalid(`it multiplies [${x.shape}] with [${weights.shape}]`);
    }
    const isTransposed = operation.int("transB", 0) !== 0;
    const [alpha, beta] = [operation.float("alpha", 1), operation.float("beta", 1)];
    const kernel = isTransposed ? permute(weights.data, weights.shape, [1, 0]) : weights.data;
    const shape = isTransposed ? weights.shape.toReversed() : weights.shape;
    const inputs = [
      x.name,
      graph.addConstant(nameOf(operation, 1), shape, alpha === 1 ? kernel : kernel.map((w) => alpha * w)),
    ];
    if (operation.inputs[2]) {
      const bias = operation.floatConstant(2);
      const outputs = shape[1]!;
      const isRow = bias.shape.slice(0, -1).every((size) => size === 1);
      if (!isRow || (bias.data.length !== outputs && bias.data.length !== 1)) {
        throw operation.unsupported(`a bias of shape [${bias.shape}] for ${outputs} outputs`);
      }
      const single = bias.data.length === 1;
      const values = Float32Array.from({ length: outputs }, (_, o) => beta * bias.data[single ? 0 : o]!);
      inputs.push(graph.addConstant(nameOf(operation, 2), [outputs], values));
    }
    return graph.add(operation, { op: "dense", inputs }, x.order);
  },

  MatMul: (operation, graph) => {
    if (operation.inputs[1]?.kind !== "constant") {
      throw operation.unsupported("it multiplies two values of the network, as attention does");
    }
    const x = operation.activation(0);
    const { shape, data } = operation.floatConstant(1);
    if (x.shape.length !== 2 || shape.length !== 2) {
      throw operation.unsupported(`it multiplies [${x.shape}] with [${shape}]; only [N, I] with [I, O]`);
    }
    const kernel = graph.addConstant(nameOf(operation, 1), shape, data);
    return graph.add(operation, { op: "dense", inputs: [x.name, kernel] }, x.order);
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
