/** One operator with its inputs resolved: typed access to inputs and attributes, errors with its name. */
import { GenieError } from "../../errors.ts";
import type { Operator, TensorConstant } from "./network.ts";
import type { Activation, Value } from "./values.ts";

/** Longest list of integers (shapes, axes, pads) that an operator is asked to read. */
const MAX_LIST = 4096;

export class Operation {
  readonly type: string;
  readonly name: string;
  readonly outputs: readonly string[];
  /** An optional input that is not given is undefined. */
  readonly inputs: readonly (Value | undefined)[];
  readonly #label: string;
  readonly #attributes: Readonly<Record<string, unknown>>;

  constructor({ type, label, name, outputs, attributes }: Operator, inputs: (Value | undefined)[]) {
    this.type = type;
    this.name = name;
    this.outputs = outputs;
    this.inputs = inputs;
    this.#label = label;
    this.#attributes = attributes;
  }

  /** What our node is to write. */
  get output(): string {
    return this.outputs[0] ?? this.name;
  }

  /** For a model that contradicts itself. */
  invalid(complaint: string): GenieError {
    return new GenieError("invalid-model", `node "${this.name}" (${this.#label}): ${complaint}`);
  }

  /** For a model that is right but beyond us. */
  unsupported(complaint: string): GenieError {
    return new GenieError("unsupported-operator", `node "${this.name}" (${this.#label}): ${complaint}`);
  }

  number(attribute: string, otherwise: number): number {
    const value = this.#attributes[attribute] ?? otherwise;
    if (typeof value !== "number") throw this.invalid(`its attribute "${attribute}" is no number`);
    return value;
  }

  flag(attribute: string): boolean {
    const value = this.#attributes[attribute] ?? false;
    if (typeof value !== "boolean")
      throw this.invalid(`its attribute "${attribute}" is neither true nor false`);
    return value;
  }

  text(attribute: string, otherwise: string): string {
    const value = this.#attributes[attribute] ?? otherwise;
    if (typeof value !== "string") throw this.invalid(`its attribute "${attribute}" is no text`);
    return value;
  }

  texts(attribute: string): string[] {
    const value = this.#attributes[attribute] ?? [];
    if (!Array.isArray(value) || !value.every((item) => typeof item === "string")) {
      throw this.invalid(`its attribute "${attribute}" is no list of texts`);
    }
    return value;
  }

  numbers(attribute: string): number[] | undefined {
    const value = this.#attributes[attribute];
    if (value === undefined) return undefined;
    if (
      !Array.isArray(value) ||
      value.length > MAX_LIST ||
      !value.every((item) => typeof item === "number")
    ) {
      throw this.invalid(`its attribute "${attribute}" is no list of numbers`);
    }
    return value;
  }

  /** Input `index`, computed by the network. */
  activation(index: number): Activation {
    const value = this.inputs[index];
    if (!value) throw this.invalid(`it has no input ${index}`);
    if (value.kind === "constant") {
      throw this.unsupported(`its input "${value.name}" is constant; a value of the network was expected`);
    }
    return value;
  }

  /** Input `index`, known from the file. */
  constant(index: number): TensorConstant & { name: string } {
    const value = this.inputs[index];
    if (!value) throw this.invalid(`it has no input ${index}`);
    if (value.kind !== "constant") {
      throw this.unsupported(
        `its input ${index} is computed by the network; only constants are supported there`,
      );
    }
    return { ...value.tensor, name: value.name };
  }

  floats(index: number): { name: string; shape: number[]; data: Float32Array } {
    const { name, shape, data, isInteger } = this.constant(index);
    return { name, shape, data: isInteger ? Float32Array.from(data) : data };
  }

  /** Constant input `index` as a short list of integers, NaN where they depend on the batch. */
  integers(index: number): number[] {
    const { data, isInteger } = this.constant(index);
    if (!isInteger) throw this.invalid(`its input ${index} holds no integers`);
    if (data.length > MAX_LIST) throw this.invalid(`its input ${index} lists ${data.length} numbers`);
    return [...data];
  }

  /** A number given as constant input `index`. */
  scalar(index: number): number {
    const { data } = this.constant(index);
    if (data.length !== 1 || Number.isNaN(data[0]))
      throw this.unsupported(`its input ${index} is not one known number`);
    return data[0]!;
  }

  /** An axis counted from the front, for a value of rank `rank`. */
  axis(axis: number, rank: number): number {
    const positive = axis < 0 ? axis + rank : axis;
    if (!Number.isInteger(positive) || positive < 0 || positive >= rank) {
      throw this.invalid(`axis ${axis} is not one of ${rank}`);
    }
    return positive;
  }
}
