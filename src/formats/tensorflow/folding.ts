/** Computing what the file alone determines: shape arithmetic, and weights stored in another form than they are used in. */
import { GenieError } from "../../errors.ts";
import { arithmetic } from "./foldArithmetic.ts";
import type { Folder } from "./folder.ts";
import { movement } from "./foldMovement.ts";
import type { TensorConstant } from "./network.ts";
import type { Operation } from "./operation.ts";
import { fileShape, product, type Value } from "./values.ts";

/** Elements that all computed constants of a model may have together, beside some a byte of its file. */
const FREE_ELEMENTS = 2 ** 20;
const ELEMENTS_PER_BYTE = 4;

const folders: Readonly<Record<string, Folder>> = { ...arithmetic, ...movement };

/** Operators that answer from their input's shape alone. */
const OF_SHAPES: Readonly<Record<string, (shape: number[]) => TensorConstant>> = {
  Shape: (shape) => integers([shape.length], shape),
  Size: (shape) => integers([], [product(shape)]),
  Rank: (shape) => integers([], [shape.length]),
};

/** Whether the operator is computed where its inputs are known. */
export function isFolded(type: string): boolean {
  return Object.hasOwn(folders, type) || Object.hasOwn(OF_SHAPES, type);
}

export class Folding {
  #left: number;

  /** @param bytes Of the file; hostile ones compute far more constants than they hold. */
  constructor(bytes: number) {
    this.#left = FREE_ELEMENTS + ELEMENTS_PER_BYTE * bytes;
  }

  /** The operator's outputs where they are known; undefined where the network computes them. */
  fold(operation: Operation): Value[] | undefined {
    const { inputs, type } = operation;
    const ofShape = Object.hasOwn(OF_SHAPES, type) ? OF_SHAPES[type] : undefined;
    if (ofShape) return this.#named(operation, [ofShape(shapeOf(operation))]);
    const folder = Object.hasOwn(folders, type) ? folders[type] : undefined;
    const given = inputs.filter((value) => value !== undefined);
    if (!folder || !given.every((value) => value.kind === "constant")) return undefined;
    const tensors = given.map(({ tensor }) => tensor);
    const create = (shape: readonly number[], isInteger: boolean): TensorConstant => {
      const count = product(shape);
      const isPossible = shape.length <= 16 && shape.every((size) => Number.isSafeInteger(size) && size >= 0);
      if (!isPossible || !(count <= this.#left)) {
        throw new GenieError(
          "invalid-model",
          `node "${operation.name}" (${type}) computes a constant of shape [${shape.slice(0, 16)}]: too large`,
        );
      }
      this.#left -= count;
      return isInteger
        ? { shape: [...shape], data: new Float64Array(count), isInteger }
        : { shape: [...shape], data: new Float32Array(count), isInteger };
    };
    const results = folder(tensors, { operation, create });
    return this.#named(operation, Array.isArray(results) ? results : [results]);
  }

  #named(operation: Operation, tensors: TensorConstant[]): Value[] {
    return tensors.map((tensor, i) => ({
      kind: "constant",
      name: operation.outputs[i] ?? operation.name,
      tensor,
    }));
  }
}

/** What the file's shape of the operator's input is, NaN for the open batch. */
function shapeOf(operation: Operation): number[] {
  const [first] = operation.inputs;
  if (!first) throw operation.invalid("it has no input 0");
  if (first.kind === "constant") return first.tensor.shape;
  return fileShape(first).map((size) => (size === -1 ? Number.NaN : size));
}

function integers(shape: number[], values: readonly number[]): TensorConstant {
  return { shape, data: Float64Array.from(values), isInteger: true };
}
