/**
 * Weights that lie in files beside the model, as every export of PyTorch ≥ 2.9 has them.
 *
 * Format: https://github.com/onnx/onnx/blob/main/docs/ExternalData.md
 */
import { GenieError } from "../../../errors.ts";
import type { CompanionReader } from "../../companion.ts";
import { TensorProto_DataLocation as DataLocation, type GraphProto, type TensorProto } from "../onnx_pb.ts";
import { subgraphsOf } from "./references.ts";

/**
 * Puts the bytes of every tensor that lies elsewhere into the tensor: views of the files, nothing is copied.
 *
 * @throws GenieError `malformed-file` for a place that the file does not have, and as `readFile`.
 */
export async function attachExternalData(graph: GraphProto, readFile: CompanionReader): Promise<void> {
  const outside = tensorsOf(graph).filter(isExternal);
  const locations = new Set(outside.map((tensor) => entry(tensor, "location") ?? ""));
  const files = new Map<string, Uint8Array>();
  for (const location of locations) files.set(location, await readFile(location));
  for (const tensor of outside) attach(tensor, files);
}

export function isExternal({ dataLocation, externalData }: TensorProto): boolean {
  return dataLocation === DataLocation.EXTERNAL || externalData.length > 0;
}

function attach(tensor: TensorProto, files: ReadonlyMap<string, Uint8Array>): void {
  const location = entry(tensor, "location") ?? "";
  const file = files.get(location)!;
  const offset = Number(entry(tensor, "offset") ?? 0);
  const length = Number(entry(tensor, "length") ?? file.length - offset);
  const isWhole = [offset, length].every((value) => Number.isSafeInteger(value) && value >= 0);
  if (!isWhole || offset + length > file.length) {
    throw new GenieError(
      "malformed-file",
      `tensor "${tensor.name}" lies in "${location}" at ${entry(tensor, "offset") ?? 0}, ` +
        `${entry(tensor, "length") ?? "?"} bytes long, but that has ${file.length}: truncated, or of another model`,
    );
  }
  tensor.rawData = file.subarray(offset, offset + length);
  tensor.externalData = [];
  tensor.dataLocation = DataLocation.DEFAULT;
}

function entry(tensor: TensorProto, key: string): string | undefined {
  return tensor.externalData.find((pair) => pair.key === key)?.value;
}

/** Every tensor of a graph: initializers, and those of attributes, in subgraphs too. */
function tensorsOf(graph: GraphProto): TensorProto[] {
  const found: TensorProto[] = [];
  const waiting = [graph];
  for (const { initializer, node } of waiting) {
    // Not push(...initializer): a file may have more of them than a call takes arguments.
    for (const each of initializer) found.push(each);
    for (const each of node) {
      for (const { t, tensors } of each.attribute)
        for (const tensor of t ? [t, ...tensors] : tensors) found.push(tensor);
      for (const subgraph of subgraphsOf(each)) waiting.push(subgraph);
    }
  }
  return found;
}
