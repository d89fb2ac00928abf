/** ONNX files written by hand, and what onnxruntime and we compute with them. */
import { create, toBinary } from "@bufbuild/protobuf";
import { tensor } from "@tensorflow/tfjs-core";
import { expect } from "vitest";
import { disposeAll, uploadConstants } from "../../../src/engine/feeds.ts";
import { run } from "../../../src/engine/run.ts";
import { permute } from "../../../src/formats/graph/permute.ts";
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  TensorProto_DataType as DataType,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  ValueInfoProtoSchema,
} from "../../../src/formats/onnx/onnx_pb.ts";
import type { Graph } from "../../../src/ir/graph.ts";
import { loadModel } from "../../../src/session/load.ts";
import { runOnnx } from "../../support/onnxruntime.ts";

type AttributeValue = number | string | readonly number[] | { float: number } | TensorProto;

export interface ModelParts {
  opset?: number;
  /** Shapes by name; a string is a dynamic dimension. */
  inputs: Record<string, (number | string)[]>;
  /** Shapes are left to the reader. */
  outputs: string[];
  nodes: NodeProto[];
  initializers?: Record<string, TensorProto>;
}

export function model({ opset = 13, inputs, outputs, nodes, initializers = {} }: ModelParts): Uint8Array {
  const declare = (name: string, shape?: (number | string)[]) =>
    create(ValueInfoProtoSchema, {
      name,
      type: {
        value: {
          case: "tensorType",
          value: shape
            ? { elemType: DataType.FLOAT, shape: { dim: shape.map(dimension) } }
            : { elemType: DataType.FLOAT },
        },
      },
    });
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: opset > 20 ? 10n : 7n,
      opsetImport: [{ domain: "", version: BigInt(opset) }],
      graph: {
        name: "test",
        input: Object.entries(inputs).map(([name, shape]) => declare(name, shape)),
        output: outputs.map((name) => declare(name)),
        node: nodes,
        initializer: Object.entries(initializers).map(([name, value]) => ({ ...value, name })),
      },
    }),
  );
}

function dimension(size: number | string) {
  return typeof size === "number"
    ? { value: { case: "dimValue" as const, value: BigInt(size) } }
    : { value: { case: "dimParam" as const, value: size } };
}

export function node(
  opType: string,
  input: string[],
  output: string | string[],
  attributes: Record<string, AttributeValue> = {},
): NodeProto {
  return create(NodeProtoSchema, {
    opType,
    input,
    output: typeof output === "string" ? [output] : output,
    attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
  });
}

function attribute(name: string, value: AttributeValue): AttributeProto {
  if (typeof value === "number") {
    return create(AttributeProtoSchema, { name, type: AttributeType.INT, i: BigInt(value) });
  }
  if (typeof value === "string") {
    return create(AttributeProtoSchema, {
      name,
      type: AttributeType.STRING,
      s: new TextEncoder().encode(value),
    });
  }
  if ("float" in value)
    return create(AttributeProtoSchema, { name, type: AttributeType.FLOAT, f: value.float });
  if ("dims" in value) return create(AttributeProtoSchema, { name, type: AttributeType.TENSOR, t: value });
  return create(AttributeProtoSchema, { name, type: AttributeType.INTS, ints: [...value].map(BigInt) });
}

/** Numbers in (−1, 1) that depend on the seed alone. */
export function numbers(count: number, seed = 1): Float32Array {
  let state = seed * 2654435761;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** A float tensor, of seeded numbers where no data is given. */
export function floats(dims: number[], data: ArrayLike<number> | number = 1): TensorProto {
  const count = dims.reduce((product, size) => product * size, 1);
  const values = typeof data === "number" ? numbers(count, data) : Float32Array.from(data);
  return create(TensorProtoSchema, {
    dims: dims.map(BigInt),
    dataType: DataType.FLOAT,
    rawData: new Uint8Array(values.buffer),
  });
}

/** A list of integers; a scalar where a number is given. */
export function int64s(values: readonly (number | bigint)[] | number | bigint): TensorProto {
  const isScalar = typeof values === "number" || typeof values === "bigint";
  const list = isScalar ? [values] : values;
  return create(TensorProtoSchema, {
    dims: isScalar ? [] : [BigInt(list.length)],
    dataType: DataType.INT64,
    int64Data: list.map(BigInt),
  });
}

/** Bytes of a tensor of any type. */
export function raw(dataType: DataType, dims: number[], bytes: ArrayLike<number>): TensorProto {
  return create(TensorProtoSchema, {
    dims: dims.map(BigInt),
    dataType,
    rawData: Uint8Array.from(bytes),
  });
}

/**
 * Loads the file, runs it on seeded numbers and expects what onnxruntime computes, to 1e-4 of the largest value.
 *
 * @param shapes Of the inputs in the file's layout, the batch included.
 * @param isChannelsLast Whether images are [N, H, W, C] in the file.
 */
export async function expectLikeOnnxruntime(
  bytes: Uint8Array,
  shapes: Record<string, number[]>,
  { isChannelsLast = false, range = 1 } = {},
): Promise<Graph> {
  const feeds = Object.fromEntries(
    Object.entries(shapes).map(([name, shape], i) => [
      name,
      {
        shape,
        data: numbers(
          shape.reduce((a, b) => a * b, 1),
          7 + i,
        ).map((x) => x * range),
      },
    ]),
  );
  const expected = await runOnnx(bytes, feeds);
  const graph = await loadModel(bytes);
  const values = uploadConstants(graph);
  for (const { name } of graph.inputs) {
    const { shape, data } = feeds[name]!;
    const isMoved = shape.length === 4 && !isChannelsLast;
    const order = isMoved ? [0, 2, 3, 1] : shape.map((_, axis) => axis);
    const memory = order.map((axis) => shape[axis]!);
    values.set(name, tensor(permute(data, shape, order), memory as [number]));
  }
  const results = run(graph, values);
  for (const name of graph.outputs) {
    const result = results.get(name)!;
    const isMoved = result.rank === 4 && !isChannelsLast;
    const order = isMoved ? [0, 3, 1, 2] : result.shape.map((_, axis) => axis);
    const actual = permute(result.dataSync() as Float32Array, result.shape, order);
    expect(order.map((axis) => result.shape[axis]!)).toEqual(expected[name]!.shape);
    expectClose(actual, expected[name]!.data);
  }
  disposeAll(results.values());
  disposeAll(values.values());
  return graph;
}

function expectClose(actual: Float32Array, expected: Float32Array): void {
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const worst = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - actual[i]!)), 0);
  expect(worst).toBeLessThanOrEqual(1e-4 * largest);
  expect(largest).toBeGreaterThan(0);
}
