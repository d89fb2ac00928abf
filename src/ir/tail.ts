/** What stands behind a network and stays as its file has it: float, and understood by that format alone. */
export interface Tail {
  format: "onnx";
  /** A model of that format: reads values of the network and inputs of its own, gives outputs of the whole model. */
  model: Uint8Array;
  /** The network's values that it reads; `channelsFirst` where it wants [N, C, H, W] of what is [N, H, W, C] here. */
  reads: { value: string; channelsFirst: boolean }[];
  /** Names of the whole model's inputs and outputs in their order: the network's own, and the tail's. */
  inputs: string[];
  outputs: string[];
  /** The batch size that the file fixes, for which alone the tail may hold. */
  batch?: number;
  /** For people: each operator that the network ends at, and why. */
  reasons: string[];
  /** For people: names of its layers with weights, which stay float. */
  layers: string[];
}

/** Why there is a tail, and what it costs, in a sentence. */
export function explainTail({ reasons, layers }: Tail): string {
  const [first, ...others] = layers;
  const named =
    first === undefined ? "" : ` ("${first}"${others.length > 0 ? ` and ${others.length} more` : ""})`;
  const cost =
    layers.length === 0
      ? "no layer with weights among it"
      : `${layers.length} layer(s) with weights among it${named}`;
  return `${reasons.join("; ")}: it and what depends on it stay as they are in the file, float, ${cost}`;
}
