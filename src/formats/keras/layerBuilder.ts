/** Our graph while it grows out of Keras layers. */
import { GenieError } from "../../errors.ts";
import type { Activation, Constant, Graph, Node } from "../../ir/graph.ts";
import { BATCH } from "../../ir/shapeChecks.ts";
import { outputShape } from "../../ir/shapeRules.ts";
import type { NodeSpec } from "../graph/nodeSpec.ts";
import type { Config, LayerCall } from "./topology.ts";
import type { LayerWeight } from "./weights.ts";

/** What the layers of one model have in common. */
export interface Target {
  graph: Graph;
  /** Of every value of the graph. */
  shapes: Map<string, number[]>;
  /** Whether Keras 3 wrote the model, which gives some names another meaning than Keras 2 and TensorFlow.js. */
  isKeras3: boolean;
}

/** One layer being converted: its settings, its inputs, and the graph to write to. */
export class LayerBuilder {
  readonly name: string;
  readonly className: string;
  readonly config: Config;
  /** Names of the values it reads. */
  readonly inputs: readonly string[];
  readonly isKeras3: boolean;
  readonly #owner: string;
  readonly #graph: Graph;
  readonly #shapes: Map<string, number[]>;
  readonly #readWeights: () => readonly LayerWeight[];
  #weights: readonly LayerWeight[] | undefined;

  constructor(
    { name, path, className, config }: LayerCall,
    inputs: readonly string[],
    { graph, shapes, isKeras3 }: Target,
    weights: () => readonly LayerWeight[],
  ) {
    this.name = name;
    this.className = className;
    this.config = config;
    this.inputs = inputs;
    this.isKeras3 = isKeras3;
    this.#owner = path.join("/");
    this.#graph = graph;
    this.#shapes = shapes;
    this.#readWeights = weights;
  }

  /** The value it reads. @throws GenieError `invalid-model` if there is not exactly one. */
  get input(): string {
    if (this.inputs.length !== 1) throw this.invalid(`it reads ${this.inputs.length} values, and not one`);
    return this.inputs[0]!;
  }

  shapeOf(value: string): number[] {
    return this.#shapes.get(value)!;
  }

  /** Adds a node; with a `part` it is "layer/part", without it carries the layer's name. @returns its output. */
  add(spec: NodeSpec, part?: string): string {
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

  /** A setting that is a number or a pair of them. */
  pair(setting: string, otherwise: [number, number]): [number, number] {
    const value = this.config[setting];
    if (value === undefined || value === null) return otherwise;
    const values = Array.isArray(value) ? value : [value, value];
    if (values.length !== 2 || !values.every((size) => Number.isInteger(size) && size >= 1)) {
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
