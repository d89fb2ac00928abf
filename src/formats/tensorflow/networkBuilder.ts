/** Our graph while it grows out of TensorFlow's operators: names, constants and where every value's axes lie. */
import { GenieError } from "../../errors.ts";
import type { Graph, Node } from "../../ir/graph.ts";
import { BATCH, elementsPerImage } from "../../ir/shapeChecks.ts";
import { outputShape } from "../../ir/shapeRules.ts";
import { Names } from "../graph/names.ts";
import type { NodeSpec } from "../graph/nodeSpec.ts";
import { permute } from "../graph/permute.ts";
import type { Network } from "./network.ts";
import type { Operation } from "./operation.ts";
import { type Activation, isBatchless, range, settledAxes } from "./values.ts";

/** Elements of one value, 1 GiB of float32. */
const MAX_ELEMENTS = 2 ** 28;

/** Elements that all constants may have together, beside some a byte of the file. */
const FREE_ELEMENTS = 2 ** 22;
const ELEMENTS_PER_BYTE = 8;

/** Images have 4 dimensions, the reshapes between them some more. */
const MAX_RANK = 8;

/** More nodes than any network has; one operator of a hostile file can ask for thousands. */
const MAX_NODES = 100_000;

export class NetworkBuilder {
  /** The batch size that the file fixes, if it does; our graph leaves it open. */
  readonly fixedBatch: number | undefined;
  readonly #graph: Graph;
  readonly #shapes = new Map<string, number[]>();
  readonly #names: Names;
  readonly #nodeNames = new Names();
  readonly #settled = new Map<string, Activation>();
  readonly #constants = new Map<string, string>();
  #elementsLeft: number;

  /** @param reserved Names that only inputs and outputs may have. */
  constructor({ name, bytes }: Network, reserved: Iterable<string>, fixedBatch: number | undefined) {
    this.#elementsLeft = FREE_ELEMENTS + ELEMENTS_PER_BYTE * bytes;
    this.#graph = { name, inputs: [], outputs: [], nodes: [], constants: new Map() };
    this.#names = new Names(reserved);
    this.fixedBatch = fixedBatch;
  }

  addInput(name: string, memory: number[], axes: number[]): Activation {
    this.#graph.inputs.push({ name, shape: memory });
    this.#shapes.set(name, memory);
    return { kind: "activation", name, memory, axes };
  }

  /**
   * Adds a node that `operation` becomes.
   *
   * @param axes Of what it writes; default: as in memory.
   * @param role Set for a node beside the main one: "pad" names it `conv1/pad`.
   * @throws GenieError `invalid-model` where shapes or attributes contradict each other.
   */
  add(operation: Operation, spec: NodeSpec, axes?: readonly number[], role?: string): Activation {
    const suffix = role === undefined ? "" : `/${role}`;
    return this.#push(spec, `${operation.name}${suffix}`, `${operation.output}${suffix}`, axes);
  }

  #push(spec: NodeSpec, wantedName: string, wanted: string, axes?: readonly number[]): Activation {
    const node = {
      ...spec,
      name: this.#nodeNames.fresh(wantedName),
      output: this.#names.fresh(wanted),
    } as Node;
    const memory = outputShape(
      this.#graph,
      node,
      node.inputs.map((input) => this.#shapes.get(input)!),
    );
    const isPossible =
      memory[0] === BATCH && memory.length <= MAX_RANK && memory.slice(1).every((size) => size >= 1);
    if (!isPossible || elementsPerImage(memory) > MAX_ELEMENTS || this.#graph.nodes.length >= MAX_NODES) {
      throw new GenieError("invalid-model", `node "${node.name}" would have an output of shape [${memory}]`);
    }
    this.#graph.nodes.push(node);
    this.#shapes.set(node.output, memory);
    return { kind: "activation", name: node.output, memory, axes: [...(axes ?? range(memory.length))] };
  }

  /**
   * Adds a constant, once for all that want it in the same form.
   *
   * @param form Tells apart the forms in which one constant of the file is needed: its permutation, say.
   */
  constant(wanted: string, shape: number[], form: string, data: () => Float32Array): string {
    const key = `${form} ${shape} ${wanted}`;
    const known = this.#constants.get(key);
    if (known !== undefined) return known;
    const name = this.#names.fresh(wanted);
    this.#elementsLeft -= elementsPerImage(shape);
    if (!(this.#elementsLeft >= 0)) {
      throw new GenieError("invalid-model", `the model's weights, "${wanted}" among them, are too large`);
    }
    this.#graph.constants.set(name, { shape, data: data() });
    this.#shapes.set(name, shape);
    this.#constants.set(key, name);
    return name;
  }

  /** A constant of the file with its axes permuted. */
  permuted(
    wanted: string,
    { shape, data }: { shape: number[]; data: Float32Array },
    axes: readonly number[],
  ): string {
    const moved = axes.map((axis) => shape[axis]!);
    return this.constant(wanted, moved, axes.join(), () => permute(data, shape, axes));
  }

  /** The same value with its elements in memory in the order of the file. */
  settle(value: Activation): Activation {
    const axes = settledAxes(value);
    if (value.axes.every((axis, i) => axis === axes[i])) return value;
    const key = `${value.axes.join()} ${value.name}`;
    const known = this.#settled.get(key);
    if (known) return known;
    const order = [0, ...value.axes.filter((axis) => axis !== 0)];
    const moving = order.filter((axis) => axis !== 0 && value.memory[axis] !== 1);
    const isInSequence = moving.every((axis, i) => i === 0 || axis > moving[i - 1]!);
    const spec: NodeSpec = isInSequence
      ? { op: "reshape", inputs: [value.name], shape: order.map((axis) => value.memory[axis]!) }
      : { op: "transpose", inputs: [value.name], permutation: order };
    const name = `${value.name}/${isInSequence ? "reshaped" : "transposed"}`;
    const settled = this.#push(spec, name, name, axes);
    this.#settled.set(key, settled);
    return settled;
  }

  /** The same elements in memory under another shape. */
  view(
    operation: Operation,
    value: Activation,
    memory: number[],
    axes: readonly number[],
    role?: string,
  ): Activation {
    const isSame =
      memory.length === value.memory.length && memory.every((size, i) => size === value.memory[i]);
    if (isSame) return { ...value, axes: [...axes] };
    return this.add(operation, { op: "reshape", inputs: [value.name], shape: memory }, axes, role);
  }

  /** Without the axes of the file at `dropped`, all of size 1; a batch of 1 is squeezed too. */
  dropAxes(operation: Operation, value: Activation, dropped: readonly number[], role?: string): Activation {
    const gone = new Set(dropped.map((axis) => value.axes[axis]!).filter((axis) => axis !== 0));
    const kept = range(value.memory.length).filter((axis) => !gone.has(axis));
    const axes = value.axes.filter((_, axis) => !dropped.includes(axis)).map((axis) => kept.indexOf(axis));
    return this.view(
      operation,
      value,
      kept.map((axis) => value.memory[axis]!),
      axes,
      role,
    );
  }

  /** With an axis of size 1 in front of the file's axis `at`; in front of a value without batch it is the batch. */
  insertAxis(operation: Operation, value: Activation, at: number, role?: string): Activation {
    if (at === 0 && isBatchless(value)) return { ...value, axes: [0, ...value.axes] };
    const place = Math.max(1, value.axes[at] ?? value.memory.length);
    const shifted = value.axes.map((axis) => (axis >= place ? axis + 1 : axis));
    const axes = [...shifted.slice(0, at), place, ...shifted.slice(at)];
    return this.view(operation, value, value.memory.toSpliced(place, 0, 1), axes, role);
  }

  /** The finished graph; `outputs` by their names in the file. */
  finish(outputs: readonly { name: string; value: Activation }[]): Graph {
    const renamed = new Map<string, string>();
    const inputs = new Set(this.#graph.inputs.map(({ name }) => name));
    for (const { name, value } of outputs) {
      let written = value.name;
      if (inputs.has(written) || renamed.has(written)) {
        const spec: NodeSpec = { op: "reshape", inputs: [written], shape: value.memory };
        written = this.#push(spec, `${name}/copy`, `${name}/copy`).name;
      }
      renamed.set(written, name);
    }
    const current = (name: string) => renamed.get(name) ?? name;
    return {
      ...this.#graph,
      outputs: outputs.map(({ name }) => name),
      nodes: this.#graph.nodes.map((node) => ({
        ...node,
        inputs: node.inputs.map(current),
        output: current(node.output),
      })),
    };
  }
}
