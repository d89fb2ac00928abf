/** From the bytes of a model file to a validated Graph. */
import { importOnnx } from "./formats/onnx/import.ts";
import { fuseActivations } from "./ir/fuse.ts";
import type { Graph } from "./ir/graph.ts";
import { validate } from "./ir/validate.ts";

export interface LoadOptions {
  /** The input's shape where the file leaves it open, in the file's own layout (ONNX: [N, C, H, W]). */
  inputShape?: number[] | undefined;
}

/**
 * Reads a model: ONNX, opset 7 to 23, with BatchNorm nodes kept.
 *
 * @throws GenieError `malformed-file`, `unsupported-operator`, `dynamic-shape`, `invalid-model`.
 */
export async function loadModel(bytes: Uint8Array, { inputShape }: LoadOptions = {}): Promise<Graph> {
  const graph = importOnnx(bytes, inputShape ? { inputShape } : {});
  validate(graph);
  return fuseActivations(graph);
}
