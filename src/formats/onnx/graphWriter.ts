/**
 * Our values in an ONNX file under construction, and in which layout the file has them.
 *
 * Our activations are NHWC, the file's are NCHW. So a value of four dimensions is held as "nchw", transposed, or
 * as "literal", dimension for dimension as we have it, which it is where the original network itself left NCHW:
 * behind the transposition that the importer put before a Reshape, say. That transposition then costs nothing in
 * the file: it only changes what the same tensor is called. All other values are always literal.
 */
import type { Activation, Graph, LayerNode, Node, QuantizedTensor } from "../../ir/graph.ts";
import type { IntegerBias } from "../../ir/integerBiases.ts";
import { inBytes } from "../../ir/integerWeights.ts";
import { permute } from "../graph/permute.ts";
import { addActivation } from "./exportActivations.ts";
import { type Attribute, FileBuilder } from "./fileBuilder.ts";
import { addDequantizedBias, addDequantizedWeights } from "./quantizeLinear.ts";
import type { WeightStorage } from "./storage.ts";

export type Layout = "nchw" | "literal";

/** Axis k of the file's tensor is axis NCHW[k] of ours; axis a of ours is axis NHWC[a] of the file's. */
export const NCHW: readonly number[] = [0, 3, 1, 2];
export const NHWC: readonly number[] = [0, 2, 3, 1];

/** Constants of a quantized model that the file has as integers, by their names. */
export interface IntegerConstants {
  weights: ReadonlyMap<string, QuantizedTensor>;
  biases: ReadonlyMap<string, IntegerBias>;
}

export class GraphWriter {
  readonly file: FileBuilder;
  readonly #weightStorage: WeightStorage;
  readonly #graph: Graph;
  /** The node behind each value. */
  readonly #writers: ReadonlyMap<string, Node>;
  readonly #shapes: ReadonlyMap<string, readonly number[]>;
  readonly #weights: ReadonlyMap<string, QuantizedTensor>;
  readonly #biases: ReadonlyMap<string, IntegerBias>;
  /** The file's names of each input and node output, by layout. */
  readonly #held = new Map<string, Partial<Record<Layout, string>>>();
  /** The file's name of each constant in each form that was asked for. */
  readonly #constants = new Map<string, Map<string, string>>();

  constructor(
    graph: Graph,
    shapes: ReadonlyMap<string, readonly number[]>,
    { weights, biases }: IntegerConstants,
    weightStorage: WeightStorage,
    reserved: Iterable<string> = [],
  ) {
    this.#weightStorage = weightStorage;
    this.#biases = biases;
    this.file = new FileBuilder([...shapes.keys(), ...reserved]);
    this.#graph = graph;
    this.#writers = new Map(graph.nodes.map((node) => [node.output, node]));
    this.#shapes = shapes;
    this.#weights = weights;
  }

  shapeOf(value: string): readonly number[] {
    return this.#shapes.get(value)!;
  }

  isConstant(value: string): boolean {
    return this.#graph.constants.has(value);
  }

  /** Whether the file has the constant as integers, with a scale for each channel perhaps. */
  isQuantized(constant: string): boolean {
    return this.#weights.has(constant);
  }

  /** The layout that costs nothing to read; constants and four dimensions yet unread are NCHW. */
  layoutOf(value: string): Layout {
    if (this.shapeOf(value).length !== 4) return "literal";
    const held = this.#held.get(value);
    return held && held.nchw === undefined ? "literal" : "nchw";
  }

  /** The layout for all of `values` together: NCHW where any of them is. */
  commonLayout(values: readonly string[]): Layout {
    const computed = values.filter((value) => !this.isConstant(value));
    const asked = computed.length > 0 ? computed : values;
    return asked.some((value) => this.layoutOf(value) === "nchw") ? "nchw" : "literal";
  }

  /**
   * What to call `value`, which a node is about to write, in the file: its own name, unless that has to be kept
   * for the layout in which the network's outputs are seen.
   */
  nameFor(value: string, layout: Layout): string {
    const isTaken = this.#graph.outputs.includes(value) && layout !== this.publicLayout(value);
    return isTaken ? this.file.freshValue(`${value}_${suffixOf(layout)}`) : value;
  }

  /** The layout in which an input or output of the network is seen from outside. */
  publicLayout(value: string): Layout {
    return this.shapeOf(value).length === 4 && !this.#graph.channelsLast ? "nchw" : "literal";
  }

  /** From now on `value` is what the file calls `fileName`. */
  hold(value: string, layout: Layout, fileName: string): void {
    this.#held.set(value, { [layout]: fileName });
  }

  /** The file's name of `value` in a layout; a Transpose is added where the file has it only in the other. */
  read(value: string, layout: Layout): string {
    if (this.isConstant(value)) return this.broadcastConstant(value, layout, this.shapeOf(value).length);
    const held = this.#held.get(value)!;
    const name = held[layout];
    if (name !== undefined) return name;
    const source = (layout === "nchw" ? held.literal : held.nchw)!;
    const isOutput = this.#graph.outputs.includes(value) && layout === this.publicLayout(value);
    const transposed = isOutput ? value : this.file.freshValue(`${value}_${suffixOf(layout)}`);
    const perm = { ints: layout === "nchw" ? NCHW : NHWC };
    this.file.addNode("Transpose", `${transposed}/Transpose`, [source], transposed, { perm });
    held[layout] = transposed;
    return transposed;
  }

  /** A constant operand of an element-wise node whose other operand has `rank` dimensions in `layout`. */
  broadcastConstant(name: string, layout: Layout, rank: number): string {
    const shape = this.shapeOf(name);
    if (layout === "literal") return this.constant(name, identity(shape.length), shape, shape.length - 1);
    const padded = [...Array<number>(rank - shape.length).fill(1), ...shape];
    return this.constant(
      name,
      NCHW,
      NCHW.map((axis) => padded[axis]!),
      1,
      padded,
    );
  }

  /**
   * A constant with its axes permuted, then of the shape `shape`: an initializer, or integers with a
   * DequantizeLinear node where it is quantized. Added once for each form.
   *
   * @param channelAxis The axis of `shape` that scales of quantized weights go along.
   * @param viewed The shape that `permutation` permutes: the constant's own, or one with as many elements.
   */
  constant(
    name: string,
    permutation: readonly number[],
    shape: readonly number[],
    channelAxis: number,
    viewed = this.shapeOf(name),
  ): string {
    const forms = this.#constants.get(name) ?? new Map<string, string>();
    this.#constants.set(name, forms);
    const form = `${permutation}/${shape}`;
    const known = forms.get(form);
    if (known !== undefined) return known;
    const fileName = forms.size === 0 ? name : this.file.freshValue(name);
    forms.set(form, fileName);
    const quantized = this.#weights.get(name);
    if (quantized) {
      const isNarrow = this.#weightStorage === "int4" && quantized.params.bits <= 4;
      const { data, params } = isNarrow ? quantized : inBytes(quantized);
      const codes = permute(data, viewed, permutation);
      addDequantizedWeights(this.file, fileName, shape, codes, params, channelAxis, this.#weightStorage);
    } else {
      this.file.addFloats(
        fileName,
        shape,
        permute(this.#graph.constants.get(name)!.data, viewed, permutation),
      );
    }
    return fileName;
  }

  /**
   * What a layer is given for its bias: an operand of its own where it has a float input or an integer bias, else a
   * sum behind it. Runtimes round float biases behind integer inputs to the steps of the accumulator (onnxruntime 1.30
   * does at its default level), and those that are no integers of ours need not bear that.
   */
  bias(layer: LayerNode): { operands: string[]; added?: string } {
    const [x, filter, name] = layer.inputs as [string, string, string?];
    if (name === undefined) return { operands: [] };
    const integers = this.#biases.get(name);
    if (integers) {
      const known = this.#constants.get(name)?.get("integers");
      if (known) return { operands: [known] };
      const fileName = this.file.freshValue(`${name}_integers`);
      this.#constants.set(name, new Map([["integers", fileName]]));
      addDequantizedBias(this.file, fileName, integers);
      return { operands: [fileName] };
    }
    const isInteger = this.#weights.has(filter) && this.#writers.get(x)?.op === "fakeQuantize";
    return isInteger ? { operands: [], added: name } : { operands: [this.vector(name)] };
  }

  /** A constant [C] as it is. */
  vector(name: string): string {
    return this.constant(name, [0], this.shapeOf(name), 0);
  }

  /**
   * Adds the ONNX node that computes `node`, another for its activation, and one that adds the constant `added` before
   * it. Its output is held in `layout`.
   */
  emit(
    node: Node,
    opType: string,
    inputs: readonly string[],
    layout: Layout,
    attributes: Record<string, Attribute> = {},
    added?: string,
  ): void {
    const activation = node.op !== "activation" && "activation" in node ? node.activation : undefined;
    const output = this.nameFor(node.output, layout);
    const linear = activation ? this.file.freshValue(`${node.output}_linear`) : output;
    const product = added === undefined ? linear : this.file.freshValue(`${node.output}_product`);
    this.file.addNode(opType, node.name, inputs, product, attributes);
    if (added !== undefined) {
      const rank = this.shapeOf(node.output).length;
      const addend = this.broadcastConstant(added, layout, rank);
      this.file.addNode("Add", `${node.name}/bias`, [product, addend], linear);
    }
    if (activation) this.addActivation(activation, `${node.name}/${activation.kind}`, linear, output);
    this.hold(node.output, layout, output);
  }

  addActivation(activation: Activation, name: string, input: string, output: string): void {
    addActivation(this.file, activation, name, input, output);
  }

  /** A new initializer of floats. */
  floats(wanted: string, shape: readonly number[], data: Float32Array): string {
    const name = this.file.freshValue(wanted);
    this.file.addFloats(name, shape, data);
    return name;
  }

  /** A new initializer of 64-bit integers, one-dimensional. */
  int64s(wanted: string, values: readonly number[]): string {
    const name = this.file.freshValue(wanted);
    this.file.addInt64s(name, values);
    return name;
  }
}

function suffixOf(layout: Layout): string {
  return layout === "nchw" ? "nchw" : "nhwc";
}

function identity(rank: number): number[] {
  return Array.from({ length: rank }, (_, axis) => axis);
}
