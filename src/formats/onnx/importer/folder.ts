/** What computes one operator on constants. */
import type { TensorProto_DataType as DataType } from "../onnx_pb.ts";
import type { Operation } from "./operation.ts";
import type { OnnxTensor } from "./tensors.ts";

export interface FoldContext {
  operation: Operation;
  /** A tensor of zeros. @throws GenieError `invalid-model` if the model has computed too much already. */
  create(dataType: DataType, shape: number[]): OnnxTensor & { data: Float32Array | Float64Array };
}

/** Computes a node's outputs from its constant inputs; an input that is not given is undefined. */
export type Folder = (inputs: (OnnxTensor | undefined)[], context: FoldContext) => OnnxTensor[];
