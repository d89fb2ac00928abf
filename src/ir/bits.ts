/** Which bit width every layer's weights and every quantized activation get (genie.md, "Bits"). */
import { GenieError } from "../errors.ts";
import { requireInteger } from "../options.ts";
import type { Graph } from "./graph.ts";
import { isLayer } from "./rewrite.ts";

/** The ends of a network are the most sensitive and the cheapest: they keep this many bits. */
const END_BITS = 8;

/** The settings of the two papers differ in the second layer's input: "brecq" 8 bits, "qdrop" the low width. */
export type BitSetting = "brecq" | "qdrop";

export interface BitOptions {
  /** Bits of the weights of all layers but the first and the last: 2…8. */
  weightBits: number;
  /** Bits of the activations that feed a layer: 2…8. */
  activationBits: number;
  setting: BitSetting;
}

export interface BitAssignment {
  /** Bits of a layer's weights by the layer's name. */
  weights: Map<string, number>;
  /** Bits by the name of the value that feeds one or more layers. Other values are not quantized. */
  activations: Map<string, number>;
}

/**
 * Weights: 8 bits in the first and the last layer, `weightBits` between. Activations: exactly the values that feed
 * a layer, each once, even if a skip path reads it too; `activationBits`, but 8 for the last layer's input and in
 * the "brecq" setting for the second layer's. The first layer's input is left float, whoever else reads it:
 * images have 8 bits already. Where layers that share an input differ, the larger width wins.
 *
 * First, second and last are counted in the order of the nodes.
 *
 * @throws GenieError `invalid-option`.
 */
export function assignBits(graph: Graph, { weightBits, activationBits, setting }: BitOptions): BitAssignment {
  requireBits({ weightBits, activationBits, setting });
  const layers = graph.nodes.filter(isLayer);
  const last = layers.length - 1;
  const weights = new Map<string, number>();
  const activations = new Map<string, number>();
  for (const [index, layer] of layers.entries()) {
    weights.set(layer.name, index === 0 || index === last ? END_BITS : weightBits);
    const isWide = index === last || (index === 1 && setting === "brecq");
    const input = layer.inputs[0]!;
    activations.set(input, Math.max(isWide ? END_BITS : activationBits, activations.get(input) ?? 0));
  }
  if (layers.length > 0) activations.delete(layers[0]!.inputs[0]!);
  return { weights, activations };
}

/** @throws GenieError `invalid-option` naming the option and its range. */
export function requireBits({ weightBits, activationBits, setting }: BitOptions): void {
  requireInteger("weightBits", weightBits, 2, 8);
  requireInteger("activationBits", activationBits, 2, 8);
  if (setting !== "brecq" && setting !== "qdrop") {
    throw new GenieError(
      "invalid-option",
      `setting must be "brecq" or "qdrop", not ${JSON.stringify(setting)}`,
    );
  }
}
