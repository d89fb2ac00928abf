/** Our graph while it grows: nodes, constants and the layout of every value. */
import { GenieError } from "../../../errors.ts";
import type { Constant, Graph, Node, ValueInfo } from "../../../ir/graph.ts";
import { BATCH } from "../../../ir/shapeChecks.ts";
import { outputShape } from "../../../ir/shapeRules.ts";
import type { Budget } from "../../budget.ts";
import { Names } from "../../graph/names.ts";
import type { NodeSpec } from "../../graph/nodeSpec.ts";
import type { Operation } from "./operation.ts";
import { type Activation, channelsLast, memoryShape, onnxOrder, onnxShape, sameSequence } from "./values.ts";

/** Images have 4 dimensions, the reshapes between them some more. */
const MAX_RANK = 8;

export class GraphBuilder {
  /** The batch size that the file fixes, if it does; our graph leaves it open. */
  fixedBatch: number | undefined;
  readonly #graph: Graph;
  readonly #shapes = new Map<string, number[]>();
  readonly #names: Names;
  readonly #nodeNames = new Names();
  readonly #expanded = new Map<string, Activation>();
  readonly #budget: Budget;
  readonly #moved = new Map<string, Activation>();

  /**
   * @param reserved The value names of the file, which keep their meaning.
   * @param budget Whose values the weights are: one initializer that many nodes read would grow beyond all bounds.
   */
  constructor(name: string, reserved: Iterable<string>, budget: Budget) {
    this.#budget = budget;
    this.#graph = { name, inputs: [], outputs: [], nodes: [], constants: new Map() };
    this.#names = new Names(reserved);
  }

  /** @param shape ONNX's, with −1 first. @param order Axes in memory. */
  addInput(name: string, shape: number[], order: number[]): Activation {
    const input: ValueInfo = { name, shape: memoryShape(shape, order) };
    this.#graph.inputs.push(input);
    this.#shapes.set(name, input.shape);
    return { kind: "activation", name, shape, order };
  }

  /**
   * Adds the node that `operation` becomes. Its output has the operation's first output's name.
   *
   * @param order The axes of the output in memory.
   * @param role Set for a node beside the main one: "pad" names it `conv1/pad`.
   * @throws GenieError `invalid-model` where shapes or attributes contradict each other.
   */
  add(operation: Operation, spec: NodeSpec, order: number[], role?: string): Activation {
    return role === undefined
      ? this.#addMain(operation, spec, order)
      : this.#addBeside(`${operation.name}/${role}`, `${operation.output}/${role}`, spec, order);
  }

  /** The node that carries the operation's name and writes its output, or a second one where that is taken. */
  #addMain(operation: Operation, spec: NodeSpec, order: number[]): Activation {
    const output = operation.output;
    const isFree = !this.#shapes.has(output);
    return this.#push(spec, operation.name, isFree ? output : this.#names.fresh(output), order);
  }

  #addBeside(name: string, output: string, spec: NodeSpec, order: number[]): Activation {
    return this.#push(spec, name, this.#names.fresh(output), order);
  }

  #push(spec: NodeSpec, wantedName: string, output: string, order: number[]): Activation {
    if (order.length > MAX_RANK) {
      throw new GenieError(
        "invalid-model",
        `node "${wantedName}" makes a value of ${order.length} dimensions`,
      );
    }
    const node = { ...spec, name: this.#nodeNames.fresh(wantedName), output } as Node;
    const shape = outputShape(
      this.#graph,
      node,
      node.inputs.map((input) => this.#shapes.get(input)!),
    );
    if (shape[0] !== BATCH || shape.slice(1).some((size) => !(size >= 1))) {
      throw new GenieError("invalid-model", `node "${node.name}" would have an output of shape [${shape}]`);
    }
    this.#graph.nodes.push(node);
    this.#shapes.set(output, shape);
    return { kind: "activation", name: output, shape: onnxShape(shape, order), order };
  }

  /** @returns The constant's name: `wanted`, with a number behind it if that already means something else. */
  addConstant(wanted: string, shape: number[], data: Float32Array): string {
    this.#budget.spend("values", data.length, `the model, constant "${wanted}" among it,`);
    const name = this.#shapes.has(wanted) ? this.#names.fresh(wanted) : wanted;
    const constant: Constant = { shape, data };
    this.#graph.constants.set(name, constant);
    this.#shapes.set(name, shape);
    return name;
  }

  /** The value with its axes in memory in `order`: itself, if they are. */
  reorder(value: Activation, order: number[]): Activation {
    if (value.order.every((axis, i) => axis === order[i])) return value;
    const key = `${order.join()} ${value.order.join()} ${value.name}`;
    const known = this.#moved.get(key);
    if (known) return known;
    const moved = this.#move(value, order);
    this.#moved.set(key, moved);
    return moved;
  }

  #move(value: Activation, order: number[]): Activation {
    const isImage = order.join() === channelsLast(order.length).join();
    const name = `${value.name}/${isImage ? "nhwc" : "nchw"}`;
    const inputs = [value.name];
    if (!sameSequence(value.shape, value.order, order)) {
      const permutation = order.map((axis) => value.order.indexOf(axis));
      return this.#addBeside(name, name, { op: "transpose", inputs, permutation }, order);
    }
    const shape = memoryShape(value.shape, order);
    if (this.#measures(value, shape)) return { ...value, order };
    return this.#addBeside(name, name, { op: "reshape", inputs, shape }, order);
  }

  /** The value as our kernels want it, [N, …, C]. */
  channelsLast(value: Activation): Activation {
    return this.reorder(value, channelsLast(value.shape.length));
  }

  /**
   * The same elements in ONNX's order under another ONNX shape, −1 first; they move only where they must.
   *
   * @param role As in `add`.
   */
  reshape(operation: Operation, value: Activation, shape: number[], role?: string): Activation {
    if (shape.length === value.shape.length && shape.every((size, axis) => size === value.shape[axis])) {
      return value;
    }
    const plain = onnxOrder(value.shape.length);
    const isPlain = sameSequence(value.shape, value.order, plain);
    const kept = isPlain ? 0 : keptInFront(value, shape);
    if (kept > 0) {
      // Channels are split or joined while the image stays: then only channels may have to move.
      const source = this.reorder(value, suffixFirst(value.shape.length, kept));
      return this.view(operation, source, shape, suffixFirst(shape.length, kept), role);
    }
    const source = isPlain ? value : this.reorder(value, plain);
    const [image, list] = [channelsLast(shape.length), onnxOrder(shape.length)];
    const order = sameSequence(shape, image, list) ? image : list;
    return this.view(operation, source, shape, order, role);
  }

  /** The same memory under another shape. */
  view(operation: Operation, value: Activation, shape: number[], order: number[], role?: string): Activation {
    const memory = memoryShape(shape, order);
    if (this.#measures(value, memory)) return { ...value, shape, order };
    return this.add(operation, { op: "reshape", inputs: [value.name], shape: memory }, order, role);
  }

  #measures(value: Activation, memory: number[]): boolean {
    const shape = this.#shapes.get(value.name)!;
    return shape.length === memory.length && shape.every((size, i) => size === memory[i]);
  }

  /** The value repeated along axes of size 1 to ONNX's `shape`. */
  expand(operation: Operation, value: Activation, shape: number[]): Activation {
    const memory = memoryShape(shape, value.order).slice(1);
    const factors = memory.map((size, i) => (value.shape[value.order[i + 1]!] === size ? 1 : size));
    const count = factors.reduce((product, size) => product * size, 1);
    if (count === 1) return value;
    if (!(count <= this.#budget.left("values")))
      throw operation.invalid(`it repeats [${value.shape}] to [${shape}]`);
    const ones = this.addConstant(`${operation.name}/ones`, factors, new Float32Array(count).fill(1));
    const spec: NodeSpec = { op: "multiply", inputs: [value.name, ones] };
    const expanded = this.add(operation, spec, value.order);
    this.#expanded.set(expanded.name, value);
    return expanded;
  }

  /** What `expand` was given, if it made the value; else the value. Sums and products repeat by themselves. */
  unexpanded(value: Activation): Activation {
    const source = this.#expanded.get(value.name);
    // Another order means a Transpose in between, which the source has not seen.
    return source?.order.join() === value.order.join() ? source : value;
  }

  /**
   * The finished graph.
   *
   * @param outputs The network's outputs by their names in the file.
   */
  finish(outputs: ReadonlyMap<string, Activation>): Graph {
    const renamed = new Map<string, string>();
    const inputs = new Set(this.#graph.inputs.map(({ name }) => name));
    for (const [name, { name: written, shape, order }] of outputs) {
      if (written === name) continue;
      if (this.#shapes.has(name)) renamed.set(name, this.#names.fresh(name));
      if (inputs.has(written) || outputs.has(written) || renamed.has(written)) {
        const spec: NodeSpec = { op: "reshape", inputs: [written], shape: memoryShape(shape, order) };
        const copy = this.#addBeside(`${name}/copy`, `${name}/copy`, spec, order);
        renamed.set(copy.name, name);
      } else {
        renamed.set(written, name);
      }
    }
    const current = (name: string) => renamed.get(name) ?? name;
    return {
      ...this.#graph,
      outputs: [...outputs.keys()],
      nodes: this.#graph.nodes.map((node) => ({
        ...node,
        inputs: node.inputs.map(current),
        output: current(node.output),
      })),
    };
  }
}

/** An order with the last `count` of ONNX's axes in front of the others. */
function suffixFirst(rank: number, count: number): number[] {
  const axes = onnxOrder(rank).slice(1);
  return [0, ...axes.slice(rank - 1 - count), ...axes.slice(0, rank - 1 - count)];
}

/** How many of ONNX's last axes a reshape to `shape` keeps and the value has in front in memory; 0 for none. */
function keptInFront(value: Activation, shape: readonly number[]): number {
  const rank = value.shape.length;
  let count = 0;
  while (
    count < Math.min(rank, shape.length) - 2 &&
    value.shape[rank - 1 - count] === shape[shape.length - 1 - count]
  ) {
    count++;
  }
  const isInFront = value.order.slice(1, count + 1).every((axis, i) => axis === rank - count + i);
  return isInFront ? count : 0;
}
