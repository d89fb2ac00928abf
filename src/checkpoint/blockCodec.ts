/** A finished block as bytes: CBOR, numbers as the bytes of typed arrays (little-endian), so that every bit survives. */
import { encode } from "cborg";
import type { Constant, QuantizedTensor, QuantParams } from "../ir/graph.ts";
import type { BlockResult } from "../quantization/sequence.ts";
import { damaged, decodeStrictly, type EntryPlace } from "./entry.ts";

export function encodeBlock({
  name,
  layers,
  initialLoss,
  loss,
  seconds,
  weights,
  activations,
  biases,
}: BlockResult): Uint8Array {
  return encode({
    name,
    layers,
    figures: bytesOf(Float64Array.of(initialLoss, loss, seconds)),
    weights: weights.map(([constant, { shape, data, params }]) => [
      constant,
      { shape, data: bytesOf(data), params: packParams(params) },
    ]),
    activations: activations.map(([value, params]) => [value, packParams(params)]),
    biases: biases.map(([name, { shape, data }]) => [name, { shape, data: bytesOf(data) }]),
  });
}

/** @throws GenieError `malformed-file` if the bytes are not a block's. */
export function decodeBlock(bytes: Uint8Array, at: EntryPlace): BlockResult {
  const read = new Reader(at);
  const block = read.fields(decodeStrictly(bytes, at));
  const figures = read.numbers(block.figures, Float64Array);
  if (figures.length !== 3) throw damaged(at, "it has not three figures");
  const [initialLoss, loss, seconds] = figures as unknown as [number, number, number];
  return {
    name: read.text(block.name),
    layers: read.list(block.layers).map((layer) => read.text(layer)),
    initialLoss,
    loss,
    seconds,
    weights: read.list(block.weights).map((pair): [string, QuantizedTensor] => {
      const [constant, tensor] = read.list(pair);
      return [read.text(constant), read.tensor(tensor)];
    }),
    activations: read.list(block.activations).map((pair): [string, QuantParams] => {
      const [value, params] = read.list(pair);
      return [read.text(value), read.params(params)];
    }),
    biases: read.list(block.biases).map((pair): [string, Constant] => {
      const [constant, bias] = read.list(pair);
      return [read.text(constant), read.array(bias, Float32Array)];
    }),
  };
}

function packParams({ bits, signed, perChannel, scale, zeroPoint }: QuantParams) {
  return { bits, signed, perChannel, scale: bytesOf(scale), zeroPoint: bytesOf(zeroPoint) };
}

function bytesOf(data: ArrayBufferView): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Constructor of a kind of numbers. */
interface NumbersOf<T> {
  new (buffer: ArrayBuffer): T;
  readonly BYTES_PER_ELEMENT: number;
}

/** Takes decoded values for what they should be. All methods throw GenieError `malformed-file` where they are not. */
class Reader {
  readonly #at: EntryPlace;

  constructor(at: EntryPlace) {
    this.#at = at;
  }

  fields(value: unknown): Record<string, unknown> {
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw this.#wrong("fields");
    return value as Record<string, unknown>;
  }

  list(value: unknown): unknown[] {
    if (!Array.isArray(value)) throw this.#wrong("a list");
    return value;
  }

  text(value: unknown): string {
    if (typeof value !== "string") throw this.#wrong("text");
    return value;
  }

  flag(value: unknown): boolean {
    if (typeof value !== "boolean") throw this.#wrong("true or false");
    return value;
  }

  /** An integer of 0 or more. */
  count(value: unknown): number {
    if (!Number.isSafeInteger(value) || (value as number) < 0) throw this.#wrong("a count");
    return value as number;
  }

  /** A copy, which starts at offset 0 of its own buffer: aligned for every kind. */
  numbers<T>(value: unknown, kind: NumbersOf<T>): T {
    if (!(value instanceof Uint8Array) || value.length % kind.BYTES_PER_ELEMENT !== 0) {
      throw this.#wrong("numbers");
    }
    return new kind(new Uint8Array(value).buffer);
  }

  params(value: unknown): QuantParams {
    const { bits, signed, perChannel, scale, zeroPoint } = this.fields(value);
    const params = {
      bits: this.count(bits),
      signed: this.flag(signed),
      perChannel: this.flag(perChannel),
      scale: this.numbers(scale, Float32Array),
      zeroPoint: this.numbers(zeroPoint, Int32Array),
    };
    if (params.zeroPoint.length !== params.scale.length) throw this.#wrong("a zero point for each scale");
    return params;
  }

  /** Numbers with the shape of their array. */
  array<T extends { length: number }>(value: unknown, kind: NumbersOf<T>): { shape: number[]; data: T } {
    const { shape, data } = this.fields(value);
    const sizes = this.list(shape).map((size) => this.count(size));
    const numbers = this.numbers(data, kind);
    if (sizes.reduce((product, size) => product * size, 1) !== numbers.length) {
      throw this.#wrong("as many numbers as their shape says");
    }
    return { shape: sizes, data: numbers };
  }

  tensor(value: unknown): QuantizedTensor {
    return { ...this.array(value, Int16Array), params: this.params(this.fields(value).params) };
  }

  #wrong(expected: string): Error {
    return damaged(this.#at, `it has not ${expected} where it should`);
  }
}
