/** A Keras model while it is being written: its layers, and their weights one after the other. */
import { GenieError } from "../../errors.ts";
import type { Constant, Graph, Node } from "../../ir/graph.ts";
import { freshName } from "../../ir/rewrite.ts";

/** An entry of the manifest of weights. */
interface WeightEntry {
  name: string;
  shape: number[];
  dtype: "float32";
}

/** What every layer of images is told: ours are [N, H, W, C]. */
export const CHANNELS_LAST = { data_format: "channels_last" };

export class LayersWriter {
  readonly layers: object[] = [];
  readonly manifest: WeightEntry[] = [];
  readonly #graph: Graph;
  readonly #shapes: ReadonlyMap<string, number[]>;
  readonly #taken = new Set<string>();
  /** The layer that gives each value. */
  readonly #layerOf = new Map<string, string>();
  readonly #data: Float32Array[] = [];

  constructor(graph: Graph, shapes: ReadonlyMap<string, number[]>) {
    this.#graph = graph;
    this.#shapes = shapes;
  }

  addInput(value: string, [, ...sizes]: readonly number[]): void {
    const name = this.#fresh(value);
    const config = { batch_input_shape: [null, ...sizes], dtype: "float32", sparse: false, name };
    this.layers.push({ class_name: "InputLayer", name, config, inbound_nodes: [] });
    this.#layerOf.set(value, name);
  }

  /**
   * Adds a layer that reads the layers `inputs`.
   *
   * @param wanted Its name, but for characters and numbers that make it one.
   * @param weights By Keras's names and in Keras's order.
   * @returns its name.
   */
  addLayer(
    className: string,
    wanted: string,
    inputs: readonly string[],
    config: object,
    weights: Readonly<Record<string, Constant>> = {},
  ): string {
    const name = this.#fresh(wanted);
    this.layers.push({
      class_name: className,
      name,
      config: { ...config, name, trainable: false, dtype: "float32" },
      inbound_nodes: [inputs.map((input) => [input, 0, 0, {}])],
    });
    for (const [weight, { shape, data }] of Object.entries(weights)) {
      this.manifest.push({ name: `${name}/${weight}`, shape: [...shape], dtype: "float32" });
      this.#data.push(data);
    }
    return name;
  }

  /** Says that `layer` gives `value`. */
  hold(value: string, layer: string): void {
    this.#layerOf.set(value, layer);
  }

  /** @throws GenieError `unsupported-operator` for a constant, which no layer gives. */
  layerOf(value: string, reader?: Node): string {
    const layer = this.#layerOf.get(value);
    if (layer === undefined) {
      throw new GenieError(
        "unsupported-operator",
        `cannot export to TFJS Layers: node "${reader?.name ?? value}" reads the constant "${value}", ` +
          "which Keras has no layer for; ONNX can express it",
      );
    }
    return layer;
  }

  constant(name: string): Constant | undefined {
    return this.#graph.constants.get(name);
  }

  shapeOf(value: string): number[] {
    return this.#shapes.get(value)!;
  }

  /** All weights in the manifest's order, little-endian. */
  get weights(): Uint8Array {
    const out = new DataView(new ArrayBuffer(this.#data.reduce((sum, { length }) => sum + 4 * length, 0)));
    let at = 0;
    for (const data of this.#data) {
      for (const value of data) {
        out.setFloat32(at, value, true);
        at += 4;
      }
    }
    return new Uint8Array(out.buffer);
  }

  /**
   * tfjs takes what stands before a slash for a scope, and the rest of a weight's name for the weight; names begin with
   * a letter or a digit.
   */
  #fresh(wanted: string): string {
    const allowed = wanted.replace(/[^A-Za-z0-9_.]+/g, "_").replace(/^[_.]+/, "");
    return freshName(this.#taken, allowed || "layer");
  }
}

/** Says which node cannot be written, and that there is another format. */
export function unsupported(node: Node, what: string): GenieError {
  return new GenieError(
    "unsupported-operator",
    `cannot export to TFJS Layers: node "${node.name}" ${what}; ONNX can express it`,
  );
}
