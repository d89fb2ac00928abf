/** Where a quantized model goes, and in which format. */
import { GenieError } from "../errors.ts";
import { exportOnnx } from "../formats/onnx/export.ts";
import type { WeightStorage } from "../formats/onnx/storage.ts";
import { exportLayers, MODEL_FILE, WEIGHTS_FILE } from "../formats/tfjs/export.ts";
import type { Graph, QuantizedGraph } from "../ir/graph.ts";
import { openOutput } from "./output.ts";
import { openOutputFolder } from "./outputFolder.ts";

export const MODEL_FORMATS = ["onnx", "tfjs"] as const;
export type ModelFormat = (typeof MODEL_FORMATS)[number];

export interface ModelOutput {
  /** As the user named it, or as it is named by default. */
  path: string;
  /** Refuses a float model that the format cannot express, before hours of work. @throws GenieError naming the node. */
  check(graph: Graph): void;
  /** @returns how many bytes were written. @throws GenieError `unwritable-output`. */
  write(model: QuantizedGraph): Promise<number>;
}

/**
 * Checks that the output can be written.
 *
 * @param asked As the user named it, if so.
 * @param name Of the model without an extension, by default.
 * @param inputs Files and folders that the command reads.
 * @throws GenieError `unwritable-output`, `invalid-option`.
 */
export async function openModelOutput(
  { format, storage }: { format: ModelFormat; storage?: WeightStorage },
  asked: string | undefined,
  name: string,
  inputs: readonly string[],
): Promise<ModelOutput> {
  if (format === "onnx") {
    const file = await openOutput(asked ?? `${name}.onnx`, inputs);
    return {
      path: file.path,
      check() {},
      async write(model) {
        const bytes = exportOnnx(model, storage ? { weightStorage: storage } : {});
        await file.write(bytes);
        return bytes.length;
      },
    };
  }
  if (asked && /\.(?:onnx|json)$/.test(asked)) {
    throw new GenieError("invalid-option", `--format tfjs writes a folder: name one, not ${asked}`);
  }
  const path = asked?.replace(/(?<=[^/\\])[/\\]+$/, "") ?? name;
  const folder = await openOutputFolder(path, [MODEL_FILE, WEIGHTS_FILE], inputs);
  return {
    path,
    check: (graph) => {
      exportLayers(graph);
    },
    async write(quantized) {
      const { model, weights } = exportLayers(quantized);
      await folder.write({ [MODEL_FILE]: model, [WEIGHTS_FILE]: weights });
      return model.length + weights.length;
    },
  };
}
