/** Small steps that operators are composed of. */
import type { Activation as ActivationFunction, BinaryNode, ReduceNode } from "../../../../ir/graph.ts";
import { elementsPerImage } from "../../../../ir/shapeChecks.ts";
import { permute } from "../../../graph/permute.ts";
import type { GraphBuilder } from "../graphBuilder.ts";
import type { Operation } from "../operation.ts";
import { type Activation, memoryShape } from "../values.ts";

/** The step that is given no role writes the operation's output. */
export class Composition {
  readonly #operation: Operation;
  readonly #graph: GraphBuilder;

  constructor(operation: Operation, graph: GraphBuilder) {
    this.#operation = operation;
    this.#graph = graph;
  }

  apply(activation: ActivationFunction, x: Activation, role?: string): Activation {
    return this.#graph.add(
      this.#operation,
      { op: "activation", inputs: [x.name], activation },
      x.order,
      role,
    );
  }

  /** x op value */
  number(op: BinaryNode["op"], x: Activation, value: number, role?: string): Activation {
    const name = this.#graph.addConstant(
      `${this.#operation.name}/${role ?? op}`,
      [1],
      Float32Array.of(value),
    );
    return this.#graph.add(this.#operation, { op, inputs: [x.name, name] }, x.order, role);
  }

  /** x op constant, of ONNX's `shape` aligned to the end of x's; or constant op x. */
  constant(
    op: BinaryNode["op"],
    x: Activation,
    { shape, data }: { shape: readonly number[]; data: Float32Array },
    wanted: string,
    role?: string,
    isFirst = false,
  ): Activation {
    const name = this.#operand(x, shape, data, wanted);
    const inputs = isFirst ? [name, x.name] : [x.name, name];
    return this.#graph.add(this.#operation, { op, inputs }, x.order, role);
  }

  /** a op b, which broadcast. */
  two(op: BinaryNode["op"], a: Activation, b: Activation, role?: string): Activation {
    if (a.shape.length !== b.shape.length) {
      throw this.#operation.unsupported(`it combines values of shapes [${a.shape}] and [${b.shape}]`);
    }
    const isSame = a.shape.every((size, axis) => size === b.shape[axis]);
    const left = isSame ? this.#graph.unexpanded(a) : a;
    const right = isSame && left === a ? this.#graph.unexpanded(b) : b;
    // The smaller value (a squeeze-excite gate, say) is cheaper to move.
    const order = elementsPerImage(left.shape) >= elementsPerImage(right.shape) ? left.order : right.order;
    const inputs = [this.#graph.reorder(left, order).name, this.#graph.reorder(right, order).name];
    return this.#graph.add(this.#operation, { op, inputs }, order, role);
  }

  /** Over ONNX's `axes`, which stay as dimensions of 1. */
  reduce(kind: ReduceNode["kind"], x: Activation, axes: readonly number[], role?: string): Activation {
    const inMemory = axes.map((axis) => x.order.indexOf(axis)).sort((a, b) => a - b);
    const isImage = kind === "mean" && x.shape.length === 4 && inMemory.join() === "1,2";
    return this.#graph.add(
      this.#operation,
      isImage
        ? { op: "globalAveragePool", inputs: [x.name] }
        : { op: "reduce", inputs: [x.name], kind, axes: inMemory },
      x.order,
      role,
    );
  }

  /** A constant that stands beside x, with its axes in x's order; leading dimensions of 1 are left out. */
  #operand(x: Activation, shape: readonly number[], data: Float32Array, wanted: string): string {
    const rank = x.shape.length;
    const extra = Math.max(0, shape.length - rank);
    if (shape.slice(0, extra).some((size) => size !== 1)) {
      throw this.#operation.unsupported(`it combines [${x.shape}] with a constant of shape [${shape}]`);
    }
    const missing = Array<number>(Math.max(0, rank - shape.length)).fill(1);
    const aligned = [...missing, ...shape.slice(extra)];
    if (aligned[0] !== 1) {
      throw this.#operation.unsupported(`its constant of shape [${shape}] has a value for each image`);
    }
    const memory = memoryShape(aligned, x.order);
    const lead = memory.findIndex((size) => size !== 1);
    return this.#graph.addConstant(
      wanted,
      lead < 0 ? [1] : memory.slice(lead),
      permute(data, aligned, x.order),
    );
  }
}
