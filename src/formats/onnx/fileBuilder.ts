/** An ONNX graph under construction: nodes and initializers with unique names, nothing about our own Graph. */
import { create } from "@bufbuild/protobuf";
import { GenieError } from "../../errors.ts";
import { freshName } from "../../ir/rewrite.ts";
import { packInt4 } from "./int4.ts";
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  TensorProto_DataType as DataType,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
  TensorProtoSchema,
} from "./onnx_pb.ts";

/** ONNX types of quantized values, by the name the standard gives them. */
export type IntegerType = "INT4" | "UINT4" | "INT8" | "UINT8" | "INT16" | "INT32";

export type Attribute =
  | { int: number }
  | { float: number }
  | { string: string }
  | { ints: readonly number[] };

export class FileBuilder {
  readonly nodes: NodeProto[] = [];
  readonly initializers: TensorProto[] = [];
  readonly #valueNames: Set<string>;
  readonly #nodeNames = new Set<string>();

  /** @param reserved Value names that `freshValue` must never return. */
  constructor(reserved: Iterable<string>) {
    this.#valueNames = new Set(reserved);
  }

  /** A value name not in use: `wanted` if possible. */
  freshValue(wanted: string): string {
    return freshName(this.#valueNames, wanted);
  }

  /** Adds a node of one output; its name becomes `name`, with a number behind it if that is taken. */
  addNode(
    opType: string,
    name: string,
    inputs: readonly string[],
    output: string,
    attributes: Record<string, Attribute> = {},
  ): void {
    this.nodes.push(
      create(NodeProtoSchema, {
        name: freshName(this.#nodeNames, name),
        opType,
        input: [...inputs],
        output: [output],
        attribute: Object.entries(attributes).map(([key, value]) => attributeOf(key, value)),
      }),
    );
  }

  /** Adds a node that another file had, under a name of its own. */
  addVerbatim(node: NodeProto): void {
    this.nodes.push({ ...node, name: freshName(this.#nodeNames, node.name) });
  }

  /** @throws GenieError `invalid-model` for numbers that are none: no file has them. */
  addFloats(name: string, shape: readonly number[], data: Float32Array): void {
    const bad = data.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) {
      throw new GenieError("invalid-model", `"${name}" would be written with ${data[bad]} at index ${bad}`);
    }
    this.#addInitializer(name, shape, DataType.FLOAT, new Uint8Array(Float32Array.from(data).buffer));
  }

  addInt64s(name: string, values: readonly number[]): void {
    const data = BigInt64Array.from(values, BigInt);
    this.#addInitializer(name, [values.length], DataType.INT64, new Uint8Array(data.buffer));
  }

  addIntegers(name: string, shape: readonly number[], type: IntegerType, values: ArrayLike<number>): void {
    this.#addInitializer(name, shape, DataType[type], integerBytes(type, values));
  }

  #addInitializer(name: string, shape: readonly number[], dataType: DataType, rawData: Uint8Array): void {
    this.initializers.push(create(TensorProtoSchema, { name, dims: shape.map(BigInt), dataType, rawData }));
  }
}

export function attributeOf(name: string, value: Attribute): AttributeProto {
  return create(AttributeProtoSchema, { name, ...attributeFields(value) });
}

function attributeFields(attribute: Attribute) {
  if ("int" in attribute) return { type: AttributeType.INT, i: BigInt(attribute.int) };
  if ("float" in attribute) return { type: AttributeType.FLOAT, f: attribute.float };
  if ("ints" in attribute) return { type: AttributeType.INTS, ints: attribute.ints.map(BigInt) };
  return { type: AttributeType.STRING, s: new TextEncoder().encode(attribute.string) };
}

function integerBytes(type: IntegerType, values: ArrayLike<number>): Uint8Array {
  switch (type) {
    case "INT4":
    case "UINT4":
      return packInt4(values);
    case "INT8":
    case "UINT8":
      // Int8Array and Uint8Array keep the same low byte of an integer.
      return Uint8Array.from(values);
    case "INT16":
      return new Uint8Array(Int16Array.from(values).buffer);
    case "INT32":
      return new Uint8Array(Int32Array.from(values).buffer);
  }
}
