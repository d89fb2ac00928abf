/**
 * Computing what the file alone determines: the shape arithmetic that exporters write out, and weights that are
 * stored in another form than they are used in.
 */
import { GenieError } from "../../../errors.ts";
import { arithmetic } from "./foldArithmetic.ts";
import type { Folder } from "./folder.ts";
import { movement } from "./foldMovement.ts";
import { quantization } from "./foldQuantization.ts";
import { reductions } from "./foldReductions.ts";
import type { Operation } from "./operation.ts";
import { elementCount, emptyData, type OnnxTensor } from "./tensors.ts";

/** The most dimensions a constant may have; shapes beyond come from hostile files. */
const MAX_RANK = 64;

/** Elements that all computed constants of a model may have together; a hostile file asks for more. */
const MAX_ELEMENTS = 2 ** 26;

/** How many inputs an operator cannot do without, where it is not one. */
const REQUIRED_INPUTS: Readonly<Record<string, number>> = {
  Constant: 0,
  Add: 2,
  Sub: 2,
  Mul: 2,
  Div: 2,
  Mod: 2,
  Greater: 2,
  Less: 2,
  And: 2,
  Or: 2,
  Equal: 2,
  Where: 3,
  Range: 3,
  Gather: 2,
  Reshape: 2,
  Expand: 2,
  Tile: 2,
  Pow: 2,
  GreaterOrEqual: 2,
  LessOrEqual: 2,
  DequantizeLinear: 2,
  QuantizeLinear: 2,
};

export const folders: Readonly<Record<string, Folder>> = {
  ...arithmetic,
  ...movement,
  ...reductions,
  ...quantization,
};

export class ConstantFolder {
  #left = MAX_ELEMENTS;

  /** @throws GenieError `unsupported-operator` if the operator is not one that is computed here. */
  fold(operation: Operation, inputs: (OnnxTensor | undefined)[]): OnnxTensor[] {
    const folder = Object.hasOwn(folders, operation.type) ? folders[operation.type] : undefined;
    if (!folder) {
      throw operation.unsupported(
        "all its inputs are constant, and it is not an operator that is precomputed",
      );
    }
    const required = REQUIRED_INPUTS[operation.type] ?? 1;
    for (let i = 0; i < required; i++) {
      if (!inputs[i]) throw operation.invalid(`it has no input ${i}`);
    }
    const outputs = folder(inputs, {
      operation,
      create: (dataType, shape) => {
        const count = elementCount(shape);
        if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0) || !(count <= this.#left)) {
          throw new GenieError(
            "invalid-model",
            `node "${operation.name}" (${operation.type}) computes a constant of shape [${shape}]: too large`,
          );
        }
        this.#left -= count;
        return { dataType, shape, data: emptyData(dataType, count) };
      },
    });
    const tooDeep = outputs.find(({ shape }) => shape.length > MAX_RANK)?.shape.length;
    if (tooDeep) throw operation.invalid(`it computes a constant of ${tooDeep} dimensions`);
    return outputs;
  }
}
