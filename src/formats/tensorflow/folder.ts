/** What computes one operator on constants. */
import type { TensorConstant } from "./network.ts";
import type { Operation } from "./operation.ts";

export interface FoldContext {
  operation: Operation;
  /** A constant of zeros. @throws GenieError `invalid-model` for an impossible shape or one too many. */
  create(shape: readonly number[], isInteger: boolean): TensorConstant;
}

/** What an operator makes of constants. */
export type Folder = (inputs: TensorConstant[], context: FoldContext) => TensorConstant | TensorConstant[];
