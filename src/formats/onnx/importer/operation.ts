/** One node of an ONNX graph with its inputs resolved: typed access to inputs and attributes, errors with its name. */
import { GenieError } from "../../../errors.ts";
import {
  type AttributeProto,
  AttributeProto_AttributeType as AttributeType,
  type NodeProto,
} from "../onnx_pb.ts";
import { decodeTensor, isFloat, type OnnxTensor, typeName } from "./tensors.ts";
import type { Activation, Value } from "./values.ts";

/** Attributes that say nothing new: of training, of memory, or what weights and other attributes say as well. */
const HARMLESS: Readonly<Record<string, readonly string[]>> = {
  BatchNormalization: ["momentum", "consumed_inputs", "is_test", "training_mode"],
  Dropout: ["ratio", "seed", "consumed_inputs", "is_test"],
  Conv: ["kernel_shape", "pads"],
  ConvTranspose: ["kernel_shape", "pads"],
  MaxPool: ["pads", "storage_order"],
  AveragePool: ["pads"],
  // Before operator set 7, where shapes that differ said that they do.
  Add: ["broadcast", "consumed_inputs"],
  Sub: ["broadcast", "consumed_inputs"],
  Mul: ["broadcast", "consumed_inputs"],
  Div: ["broadcast", "consumed_inputs"],
  Pow: ["broadcast"],
  Gemm: ["broadcast"],
  // Numbers are saturated in turning into floats of 8 bits alone.
  Cast: ["saturate"],
  // Where there is one scale the axis is nothing; where there are several it is read.
  QuantizeLinear: ["saturate", "axis"],
  DequantizeLinear: ["axis"],
  // Of modes that are refused.
  Resize: ["cubic_coeff_a", "exclude_outside", "extrapolation_value", "nearest_mode"],
};

/** Values with which an attribute changes nothing. */
const NEUTRAL: Readonly<Record<string, number | string>> = {
  antialias: 0,
  spatial: 1,
  keep_aspect_ratio_policy: "stretch",
  precision: 0,
  output_dtype: 0,
};

/** Longest list of integers (shapes, axes, pads) that an operator is asked to read. */
const MAX_LIST = 4096;

export class Operation {
  /** The operator, as the standard calls it. */
  readonly type: string;
  /** Unique in the graph. */
  readonly name: string;
  readonly opset: number;
  /** An optional input that is not given is undefined. */
  readonly inputs: readonly (Value | undefined)[];
  /** Optional outputs that nobody wants are "". */
  readonly outputs: readonly string[];
  /** Whether the file's axes are one less than those of its values here (`Activation.isBatchHidden`). */
  readonly isBatchHidden: boolean;
  readonly #attributes: Map<string, AttributeProto>;
  readonly #read = new Set<string>();

  constructor(
    proto: NodeProto,
    name: string,
    opset: number,
    inputs: (Value | undefined)[],
    isBatchHidden = false,
  ) {
    this.type = proto.opType;
    this.name = name;
    this.opset = opset;
    this.inputs = inputs;
    this.outputs = proto.output;
    this.isBatchHidden = isBatchHidden;
    this.#attributes = new Map(proto.attribute.map((attribute) => [attribute.name, attribute]));
  }

  /** For a model that contradicts itself or the standard. */
  invalid(complaint: string): GenieError {
    return new GenieError("invalid-model", `node "${this.name}" (${this.type}): ${complaint}`);
  }

  /** For a model that is right but beyond us. */
  unsupported(complaint: string): GenieError {
    return new GenieError("unsupported-operator", `node "${this.name}" (${this.type}): ${complaint}`);
  }

  /** The first output that somebody wants: what our node is to write. */
  get output(): string {
    return this.outputs.find((name) => name !== "") ?? this.name;
  }

  /** @throws GenieError `unsupported-operator` for an attribute that was not read and may matter. */
  requireHeeded(): void {
    const harmless = Object.hasOwn(HARMLESS, this.type) ? HARMLESS[this.type]! : [];
    for (const { name, type, i, s } of this.#attributes.values()) {
      if (this.#read.has(name) || harmless.includes(name)) continue;
      const value = type === AttributeType.STRING ? new TextDecoder().decode(s) : Number(i);
      if (Object.hasOwn(NEUTRAL, name) && NEUTRAL[name] === value) continue;
      throw this.unsupported(`its attribute ${JSON.stringify(name.slice(0, 80))} is not supported`);
    }
  }

  has(attribute: string): boolean {
    this.#read.add(attribute);
    return this.#attributes.has(attribute);
  }

  int(attribute: string, otherwise: number): number {
    const found = this.#find(attribute, AttributeType.INT);
    return found ? this.#safe(found.i, attribute) : otherwise;
  }

  float(attribute: string, otherwise: number): number {
    return this.#find(attribute, AttributeType.FLOAT)?.f ?? otherwise;
  }

  string(attribute: string, otherwise: string): string {
    const found = this.#find(attribute, AttributeType.STRING);
    if (!found) return otherwise;
    const text = new TextDecoder().decode(found.s);
    if (!/^\w*$/.test(text)) throw this.invalid(`its attribute "${attribute}" is not a word`);
    return text;
  }

  ints(attribute: string): number[] | undefined {
    const found = this.#find(attribute, AttributeType.INTS)?.ints;
    if (found && found.length > MAX_LIST) {
      throw this.invalid(`its attribute "${attribute}" lists ${found.length} numbers`);
    }
    return found?.map((value) => this.#safe(value, attribute));
  }

  floats(attribute: string): number[] | undefined {
    return this.#find(attribute, AttributeType.FLOATS)?.floats;
  }

  tensor(attribute: string): OnnxTensor | undefined {
    const found = this.#find(attribute, AttributeType.TENSOR);
    return found?.t && decodeTensor(found.t, `attribute "${attribute}" of node "${this.name}"`);
  }

  /** Input `index`, computed by the network. */
  activation(index: number): Activation {
    const value = this.inputs[index];
    if (!value) throw this.invalid(`it has no input ${index}`);
    if (value.kind === "beyond") throw this.unsupported("it reads what is not understood");
    if (value.kind === "quantized") {
      throw this.unsupported("it computes with quantized integers; only DequantizeLinear may read them");
    }
    if (value.kind === "constant") {
      throw this.unsupported(`its input "${value.name}" is constant; a value of the network was expected`);
    }
    return value;
  }

  /** Input `index`, known from the file; undefined if it is optional and not given. */
  optionalConstant(index: number): OnnxTensor | undefined {
    const value = this.inputs[index];
    if (!value) return undefined;
    if (value.kind !== "constant") {
      throw this.unsupported(
        `its input ${index} is computed by the network; only constants are supported there`,
      );
    }
    return value.tensor;
  }

  constant(index: number): OnnxTensor {
    const tensor = this.optionalConstant(index);
    if (!tensor) throw this.invalid(`it has no input ${index}`);
    return tensor;
  }

  /** Constant input `index`, of floats that do not depend on the batch. */
  floatConstant(index: number): { shape: number[]; data: Float32Array } {
    const { shape, data, dataType } = this.constant(index);
    if (!isFloat(dataType)) throw this.unsupported(`its input ${index} has type ${typeName(dataType)}`);
    return { shape, data: data as Float32Array };
  }

  /** Constant input `index` as a short list of integers that do not depend on the batch. */
  optionalIntegers(index: number): number[] | undefined {
    const tensor = this.optionalConstant(index);
    if (!tensor) return undefined;
    if (tensor.batch) throw this.unsupported(`its input ${index} depends on the batch size`);
    if (tensor.data.length > MAX_LIST) {
      throw this.invalid(`its input ${index} lists ${tensor.data.length} numbers`);
    }
    return Array.from(tensor.data);
  }

  /** A number given as constant input `index`. */
  optionalScalar(index: number): number | undefined {
    const tensor = this.optionalConstant(index);
    if (!tensor) return undefined;
    if (tensor.data.length !== 1 || tensor.batch) {
      throw this.unsupported(`its input ${index} of shape [${tensor.shape}] is not one known number`);
    }
    return tensor.data[0]!;
  }

  /** An axis counted from the front, for a value of rank `rank`. */
  axis(axis: number, rank: number): number {
    const positive = axis < 0 ? axis + rank : axis + (this.isBatchHidden ? 1 : 0);
    if (!Number.isInteger(positive) || positive < 0 || positive >= rank) {
      throw this.invalid(`axis ${axis} is not one of ${rank}`);
    }
    return positive;
  }

  #find(attribute: string, type: AttributeType): AttributeProto | undefined {
    this.#read.add(attribute);
    const found = this.#attributes.get(attribute);
    if (found && found.type !== type) throw this.invalid(`its attribute "${attribute}" has the wrong type`);
    return found;
  }

  #safe(value: bigint, attribute: string): number {
    const number = Number(value);
    // Slices end at 2^63 − 1 to say "to the end", so size alone is no error.
    if (!Number.isFinite(number)) throw this.invalid(`its attribute "${attribute}" is ${value}`);
    return number;
  }
}
