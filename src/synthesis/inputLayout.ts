/** How the network's input is laid out, whatever its rank. */
import { GenieError } from "../errors.ts";
import type { Graph } from "../ir/graph.ts";

/**
 * The input as images [N, H, W, C]: [N, H, W, C] itself, [N, H, W] as images of one channel, and features [N, F]
 * as images of one row of F pixels. The row-major data is the same.
 */
export interface InputLayout {
  /** Without the batch, as the graph has it. */
  shape: number[];
  height: number;
  width: number;
  channels: number;
}

/** Of the network's input `index`. @throws GenieError `invalid-model` unless it has rank 2 to 4. */
export function inputLayout(graph: Graph, index = 0): InputLayout {
  const input = graph.inputs[index];
  const shape = input?.shape.slice(1) ?? [];
  if (shape.length < 1 || shape.length > 3) {
    throw new GenieError(
      "invalid-model",
      "images are synthesized for inputs of shape [N, F], [N, H, W] or [N, H, W, C]; " +
        `"${graph.name}" has ${graph.inputs.map(({ name, shape }) => `${name} [${shape}]`).join(", ")}`,
    );
  }
  const [height, width, channels] =
    shape.length === 3 ? shape : shape.length === 2 ? [...shape, 1] : [1, shape[0], 1];
  return { shape, height: height!, width: width!, channels: channels! };
}

/** Whether there are no pixels with neighbours above or below: a vector, which needs no image generator. */
export function isVector({ height, width, channels }: InputLayout): boolean {
  return height === 1 && (width === 1 || channels === 1);
}
