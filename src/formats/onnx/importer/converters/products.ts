/** Products of matrices: dense layers, and what attention multiplies. */
import { permute } from "../../../graph/permute.ts";
import type { GraphBuilder } from "../graphBuilder.ts";
import type { Operation } from "../operation.ts";
import { elementCount } from "../tensors.ts";
import { type Activation, onnxOrder, type Value } from "../values.ts";
import type { Converter } from "./converter.ts";
import { nameOf } from "./layers.ts";

export const products: Record<string, Converter> = {
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
    const [left, right] = operation.inputs;
    if (right?.kind === "constant") return timesConstant(operation, graph);
    if (left?.kind === "constant") return constantTimes(operation, graph);
    return timesValue(operation, graph, operation.activation(0), operation.activation(1));
  },
};

/** x · B: a dense layer over the last axis where B is a matrix or a vector. */
function timesConstant(operation: Operation, graph: GraphBuilder): Value {
  const x = operation.activation(0);
  const { shape, data } = operation.floatConstant(1);
  const rank = x.shape.length;
  const isVector = shape.length === 1;
  const [depth, outputs] = isVector ? [shape[0]!, 1] : (shape.slice(-2) as [number, number]);
  if (rank < 2 || x.shape.at(-1) !== depth) {
    throw operation.invalid(`it multiplies [${x.shape}] with [${shape}]`);
  }
  if (elementCount(shape.slice(0, -2)) !== 1) {
    if (rank < 3 || shape.length > rank || (shape.length === rank && shape[0] !== 1)) {
      throw operation.unsupported(`it multiplies [${x.shape}] with [${shape}]`);
    }
    const matrices = [...Array<number>(rank - shape.length).fill(1), ...shape];
    const constant = graph.addConstant(nameOf(operation, 1), matrices, data);
    const plain = graph.reorder(x, onnxOrder(rank));
    return graph.add(operation, { op: "matMul", inputs: [plain.name, constant] }, plain.order);
  }
  const rows = lastInMemory(graph, x);
  const kernel = graph.addConstant(nameOf(operation, 1), [depth, outputs], data);
  const y = graph.add(operation, { op: "dense", inputs: [rows.name, kernel] }, rows.order);
  return isVector ? graph.reshape(operation, y, x.shape.slice(0, -1), "vector") : y;
}

/** A · x = (xᵀ · Aᵀ)ᵀ: a dense layer over the last axis but one. */
function constantTimes(operation: Operation, graph: GraphBuilder): Value {
  const x = operation.activation(1);
  const { shape, data } = operation.floatConstant(0);
  const rank = x.shape.length;
  const [rows, depth] = shape.slice(-2) as [number, number];
  if (rank < 3 || shape.length < 2 || elementCount(shape.slice(0, -2)) !== 1 || shape.length > rank) {
    throw operation.unsupported(`it multiplies [${shape}] with [${x.shape}]`);
  }
  if (x.shape.at(-2) !== depth) throw operation.invalid(`it multiplies [${shape}] with [${x.shape}]`);
  const swapped = [...onnxOrder(rank - 2), rank - 1, rank - 2];
  const columns = graph.reorder(x, swapped);
  const kernel = graph.addConstant(nameOf(operation, 0), [depth, rows], permute(data, [rows, depth], [1, 0]));
  return graph.add(operation, { op: "dense", inputs: [columns.name, kernel] }, swapped);
}

function timesValue(operation: Operation, graph: GraphBuilder, a: Activation, b: Activation): Value {
  const rank = a.shape.length;
  if (rank < 3 || b.shape.length !== rank) {
    throw operation.unsupported(`it multiplies [${a.shape}] with [${b.shape}], batch and all`);
  }
  const plain = onnxOrder(rank);
  const inputs = [graph.reorder(a, plain).name, graph.reorder(b, plain).name];
  return graph.add(operation, { op: "matMul", inputs }, plain);
}

/** The value with ONNX's last axis as the last in memory: as it is, if it has it there. */
function lastInMemory(graph: GraphBuilder, x: Activation): Activation {
  const last = x.shape.length - 1;
  return x.order.at(-1) === last ? x : graph.reorder(x, onnxOrder(last + 1));
}
