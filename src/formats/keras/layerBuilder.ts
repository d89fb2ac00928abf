/** Our graph while it grows out of Keras layers. */
import { GenieError } from "../../errors.ts";
import type { Activation, Constant, Graph, Node } from "../../ir/graph.ts";
import { BATCH } from "../../ir/shapeChecks.ts";
import { outputShape } from "../../ir/shapeRules.ts";
import type { NodeSpec } from "../graph/nodeSpec.ts";
import { Settings } from "./settings.ts";
import { type Config, keywordThatMatters, type LayerCall } from "./topology.ts";
import type { LayerWeight } from "./weights.ts";

/** Ops whose inputs have equal shapes or broadcast from the last axes. */
const ELEMENTWISE: ReadonlySet<string> = new Set([
  ...["activation", "batchNorm", "add", "multiply", "subtract", "minimum", "maximum"],
]);

/** What the layers of one model have in common. */
export interface Target {
  graph: Graph;
  /** Of every value of the graph. */
  shapes: Map<string, number[]>;
  /** Whether Keras 3 wrote the model, which gives some names another meaning than Keras 2 and TensorFlow.js. */
  isKeras3: boolean;
  /** Whether tfjs-layers made the model and no conversion: it resizes in ways of its own. */
  isTfjs: boolean;
  /** Sequences [N, L, C] that are the images [N, 1, L, C] under another shape. */
  rows: Map<string, string>;
}

/** One layer being converted: its settings, its inputs, and the graph to write to. */
export class LayerBuilder {
  readonly name: string;
  readonly className: string;
  /** Its settings; each is to be read, or known to be harmless (`requireHeeded`). */
  readonly config: Config;
  /** Names of the values it reads. */
  readonly inputs: readonly string[];
  readonly isKeras3: boolean;
  readonly isTfjs: boolean;
  /** Whether it works on sequences [N, L, C], which are images of height 1 then. */
  readonly isSequential: boolean;
  readonly #settings: Settings;
  readonly #call: LayerCall;
  readonly #owner: string;
  readonly #graph: Graph;
  readonly #shapes: Map<string, number[]>;
  readonly #rows: Map<string, string>;
  readonly #readWeights: () => readonly LayerWeight[];
  #weights: readonly LayerWeight[] | undefined;

  constructor(
    call: LayerCall,
    inputs: readonly string[],
    { graph, shapes, isKeras3, isTfjs, rows }: Target,
    weights: () => readonly LayerWeight[],
  ) {
    const { name, path, className, config } = call;
    this.name = name;
    this.#call = call;
    this.className = className;
    this.#settings = new Settings(config);
    this.config = this.#settings.config;
    this.inputs = inputs;
    this.isKeras3 = isKeras3;
    this.isTfjs = isTfjs;
    this.isSequential = className.includes("1D");
    this.#owner = path.join("/");
    this.#graph = graph;
    this.#shapes = shapes;
    this.#rows = rows;
    this.#readWeights = weights;
  }

  /** The value it reads. @throws GenieError `invalid-model` if there is not exactly one. */
  get input(): string {
    if (this.inputs.length !== 1) throw this.invalid(`it reads ${this.inputs.length} values, and not one`);
    return this.inputs[0]!;
  }

  /** The image [N, H, W, C] that it reads: of a layer of sequences, its input as a row of pixels. */
  get image(): string {
    const value = this.input;
    const shape = this.shapeOf(value);
    if (shape.length !== (this.isSequential ? 3 : 4)) {
      throw this.invalid(
        `its input has the shape [${shape}], and is no ${this.isSequential ? "sequence" : "image"}`,
      );
    }
    if (!this.isSequential) return value;
    const [, length, channels] = shape;
    return (
      this.#rows.get(value) ??
      this.add({ op: "reshape", inputs: [value], shape: [-1, 1, length!, channels!] }, "row")
    );
  }

  /** What a layer with the image `value` gives: of sequences, [N, 1, L, C] as [N, L, C]. */
  fromImage(value: string): string {
    if (!this.isSequential) return value;
    return this.#asSequence(value);
  }

  #asSequence(row: string): string {
    const [, , length, channels] = this.shapeOf(row);
    const sequence = this.#append(
      { op: "reshape", inputs: [row], shape: [-1, length!, channels!] },
      "sequence",
    );
    this.#rows.set(sequence, row);
    return sequence;
  }

  shapeOf(value: string): number[] {
    return this.#shapes.get(value)!;
  }

  /**
   * Adds a node; with a `part` it is "layer/part", without it carries the layer's name. What works on each element of
   * sequences that are rows of pixels works on the rows, so that it follows their convolutions.
   *
   * @returns its output.
   */
  add(spec: NodeSpec, part?: string): string {
    const rows = this.#rowsOf(spec);
    return rows ? this.#asSequence(this.#append({ ...spec, inputs: rows }, part)) : this.#append(spec, part);
  }

  #rowsOf(spec: NodeSpec): string[] | undefined {
    if (!ELEMENTWISE.has(spec.op)) return undefined;
    const rows = spec.inputs.map((name) => this.#rows.get(name));
    if (rows.every((row) => row === undefined)) return undefined;
    // Constants align with the last axes, whatever stands before them.
    const inputs = spec.inputs.map((name, index) => (this.#graph.constants.has(name) ? name : rows[index]));
    return inputs.every((name) => name !== undefined) ? inputs : undefined;
  }

  #append(spec: NodeSpec, part?: string): string {
    const wanted = part ? `${this.name}/${part}` : this.name;
    let name = wanted;
    for (let number = 2; this.#shapes.has(name); number++) name = `${wanted}_${number}`;
    const node = { ...spec, name, output: name } as Node;
    const shape = outputShape(
      this.#graph,
      node,
      node.inputs.map((input) => this.#shapes.get(input)!),
    );
    if (shape[0] !== BATCH || shape.slice(1).some((size) => !(size >= 1))) {
      throw this.invalid(`its output would have the shape [${shape}]`);
    }
    this.#graph.nodes.push(node);
    this.#shapes.set(name, shape);
    return name;
  }

  /**
   * Adds a constant "layer/part", which all uses of a layer share. A dense layer's kernel has another shape over pixels
   * than over features: then each has its own.
   *
   * @returns its name.
   */
  constant(part: string, { shape, data }: Constant): string {
    const shared = `${this.#owner}/${part}`;
    const held = this.#shapes.get(shared);
    const name = held === undefined || held.join() === shape.join() ? shared : `${this.name}/${part}`;
    this.#graph.constants.set(name, { shape, data });
    this.#shapes.set(name, shape);
    return name;
  }

  /**
   * The weight of this name, or where the file has no names the one at `index`.
   *
   * @param names The name that Keras gives it, and others that it had or has elsewhere.
   * @throws GenieError `invalid-model` where it is missing or of another rank.
   */
  weight(names: string | readonly string[], index: number, rank: number): Constant {
    this.#weights ??= this.#readWeights();
    const wanted = typeof names === "string" ? [names] : names;
    const numbered = this.#weights[index];
    const found =
      this.#weights.find(({ name }) => name !== undefined && wanted.includes(name)) ??
      (numbered?.name === undefined ? numbered : undefined);
    if (!found) throw this.invalid(`its weight "${wanted[0]}" is missing`);
    if (found.shape.length !== rank) {
      throw this.invalid(`its weight "${wanted[0]}" has the shape [${found.shape}]`);
    }
    return found;
  }

  /** A setting that is a number or a pair of them, [rows, columns]; of a layer of sequences a number or a list of one. */
  pair(setting: string, otherwise: [number, number], least = 1): [number, number] {
    const value = this.config[setting];
    if (value === undefined || value === null) return otherwise;
    const across = Array.isArray(value) ? value : this.isSequential ? [value] : [value, value];
    const values = this.isSequential ? [least, ...across] : across;
    if (values.length !== 2 || !values.every((size) => Number.isInteger(size) && size >= least)) {
      throw this.invalid(`its ${setting} is ${JSON.stringify(value)}`);
    }
    return values as [number, number];
  }

  number(setting: string, otherwise: number): number {
    const value = this.config[setting];
    if (value === undefined || value === null) return otherwise;
    if (typeof value !== "number") throw this.invalid(`its ${setting} is ${JSON.stringify(value)}`);
    return value;
  }

  /** Declares that nothing in the settings matters at inference. */
  passOverSettings(): void {
    this.#settings.passOverAll();
  }

  /** @throws GenieError `unsupported-operator` for a setting that was not read and may matter, and for keywords. */
  requireHeeded(): void {
    const { dtype } = this.config;
    // Its weights are integers whose scales stand beside them.
    if (JSON.stringify(dtype ?? null).includes("QuantizedDTypePolicy")) {
      throw this.unsupported("it is quantized already (its dtype says so); save the model as it was before");
    }
    const keyword = keywordThatMatters(this.#call);
    if (keyword !== undefined) throw this.unsupported(`it is called with ${keyword}, which is not supported`);
    const setting = this.#settings.leftover(this.className);
    if (setting !== undefined) {
      throw this.unsupported(
        `its setting ${setting} = ${JSON.stringify(this.config[setting]).slice(0, 80)} is not supported`,
      );
    }
  }

  /** Adds an activation behind `value`. */
  activate(value: string, activation: Activation | undefined, part?: string): string {
    return activation ? this.add({ op: "activation", inputs: [value], activation }, part) : value;
  }

  invalid(why: string): GenieError {
    return new GenieError("invalid-model", `layer "${this.name}" (${this.className}): ${why}`);
  }

  unsupported(what: string): GenieError {
    return new GenieError("unsupported-operator", `layer "${this.name}" (${this.className}): ${what}`);
  }
}
