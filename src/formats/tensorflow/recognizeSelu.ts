/** SELU and ELU written out, as converters from ONNX do, put back together. */
import type { Network, Operator } from "./network.ts";

/**
 * Every choice
 *
 *     Select(x > 0, gamma · x, c · (exp(x) − 1))
 *
 * becomes one operator Selu of x with alpha = c / gamma; a gamma or c of 1 may be left out. What only it needed is dead.
 */
export function recognizeSelu(network: Network): Network {
  const writers = new Map(
    network.operators.flatMap((operator) => operator.outputs.map((output) => [output, operator])),
  );
  const find = new Finder(network.constant, writers);
  const operators = network.operators.map((operator) => find.selu(operator) ?? operator);
  return { ...network, operators };
}

class Finder {
  readonly #constant: Network["constant"];
  readonly #writers: ReadonlyMap<string, Operator>;

  constructor(constant: Network["constant"], writers: ReadonlyMap<string, Operator>) {
    this.#constant = constant;
    this.#writers = writers;
  }

  selu(operator: Operator): Operator | undefined {
    if (operator.type !== "Select" && operator.type !== "SelectV2") return undefined;
    const [condition, above, below] = operator.inputs;
    const greater = this.#writer(condition, "Greater") ?? this.#writer(condition, "GreaterEqual");
    if (!greater || this.#number(greater.inputs[1]) !== 0) return undefined;
    const x = greater.inputs[0];
    const upper = this.#scaled(above);
    const lower = this.#scaled(below);
    const difference = this.#writer(lower.value, "Sub");
    const exponential = this.#writer(difference?.inputs[0], "Exp");
    const isSelu =
      upper.value === x && exponential?.inputs[0] === x && this.#number(difference?.inputs[1]) === 1;
    if (!isSelu) return undefined;
    const attributes = { gamma: upper.factor, alpha: lower.factor / upper.factor };
    return { ...operator, type: "Selu", inputs: [x], attributes };
  }

  /** value · factor */
  #scaled(name: string | undefined): { value: string | undefined; factor: number } {
    const product = this.#writer(name, "Mul");
    if (product?.inputs.length !== 2) return { value: name, factor: 1 };
    const [first, second] = product.inputs;
    const factor = this.#number(second);
    if (factor !== undefined) return { value: first, factor };
    const other = this.#number(first);
    return other === undefined ? { value: name, factor: 1 } : { value: second, factor: other };
  }

  #writer(name: string | undefined, type: string): Operator | undefined {
    const found = name === undefined ? undefined : this.#writers.get(name);
    return found?.type === type && !hasFused(found) ? found : undefined;
  }

  #number(name: string | undefined): number | undefined {
    const constant = name === undefined ? undefined : this.#constant(name);
    return constant?.data.length === 1 ? constant.data[0] : undefined;
  }
}

function hasFused({ attributes: { fused_ops: fused } }: Operator): boolean {
  return Array.isArray(fused) && fused.length > 0;
}
