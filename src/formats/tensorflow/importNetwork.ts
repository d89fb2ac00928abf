/** From TensorFlow's operators to a Graph: shape arithmetic computed, transpositions cancelled, the batch open. */
import { GenieError } from "../../errors.ts";
import type { Graph } from "../../ir/graph.ts";
import { fuseBias } from "../graph/fuseBias.ts";
import { converters } from "./converters/index.ts";
import { Folding, isFolded } from "./folding.ts";
import { CHANNELS_FIRST, inputShapeOf, isChannelsFirst } from "./inputs.ts";
import type { Network, Operator } from "./network.ts";
import { NetworkBuilder } from "./networkBuilder.ts";
import { Operation } from "./operation.ts";
import { liveOperators } from "./order.ts";
import { recognizeSelu } from "./recognizeSelu.ts";
import { range, type Value } from "./values.ts";

/** More inputs and outputs than any network has. */
const MAX_BORDERS = 1000;

export interface ImportNetworkOptions {
  /** The shape of the first input where the file leaves it open, in the file's own layout, with or without the batch. */
  inputShape?: readonly number[] | undefined;
}

/**
 * @throws GenieError `unsupported-operator` naming every operator in the way; `dynamic-shape` for an open dimension
 *   besides the batch; `invalid-model` where the network contradicts itself; `invalid-option` for an `inputShape` that
 *   does not fit.
 */
export function importNetwork(network: Network, { inputShape }: ImportNetworkOptions = {}): Graph {
  if (network.inputs.length + network.outputs.length > MAX_BORDERS) {
    throw new GenieError(
      "invalid-model",
      `the model has ${network.inputs.length} inputs and ${network.outputs.length} outputs`,
    );
  }
  const live = liveOperators(recognizeSelu(network));
  requireSupported(live);
  const isRead = new Set([
    ...live.flatMap(({ inputs }) => inputs),
    ...network.outputs.map(({ value }) => value),
  ]);
  const inputs = network.inputs.filter(({ name }) => isRead.has(name));
  const names = new Set([...inputs, ...network.outputs].map(({ name }) => name));
  const graph = new NetworkBuilder(network, names, inputs[0]?.shape?.[0]);
  const folding = new Folding(network.bytes);
  const values = new Map<string, Value>();
  let isImageFirst = false;
  inputs.forEach((input, i) => {
    const shape = inputShapeOf(input, i === 0 ? inputShape : undefined);
    const isMoved = shape.length === 4 && isChannelsFirst(input, live, network.constant);
    isImageFirst ||= isMoved;
    const memory = isMoved ? [shape[0]!, shape[2]!, shape[3]!, shape[1]!] : shape;
    values.set(
      input.name,
      graph.addInput(input.name, memory, isMoved ? CHANNELS_FIRST : range(shape.length)),
    );
  });
  const resolve = (name: string, reader: string): Value => {
    const known = values.get(name);
    if (known) return known;
    const tensor = network.constant(name);
    if (!tensor) {
      throw new GenieError("invalid-model", `${reader} reads "${name}", which nothing in the model writes`);
    }
    const value: Value = { kind: "constant", name, tensor };
    values.set(name, value);
    return value;
  };
  for (const operator of live) {
    const operands = operator.inputs.map((name) =>
      name === undefined ? undefined : resolve(name, `node "${operator.name}"`),
    );
    const outputs = convert(new Operation(operator, operands), graph, folding);
    operator.outputs.forEach((name, i) => {
      if (outputs[i]) values.set(name, outputs[i]);
    });
  }
  const outputs = network.outputs.map(({ name, value: written }) => {
    const value = resolve(written, "the model's output");
    if (value.kind !== "activation") {
      throw new GenieError("invalid-model", `the model's output "${name}" is not computed from its input`);
    }
    const isImage = isImageFirst && value.axes.join() === CHANNELS_FIRST.join();
    return { name, value: isImage ? value : graph.settle(value) };
  });
  return fuseBias(graph.finish(outputs));
}

/** What an operator computes: now, if its inputs are known, else by nodes of ours. */
function convert(operation: Operation, graph: NetworkBuilder, folding: Folding): Value[] {
  const known = folding.fold(operation);
  if (known) return known;
  const converter = Object.hasOwn(converters, operation.type) ? converters[operation.type] : undefined;
  if (!converter)
    throw operation.unsupported("it is supported on constants, not on what the network computes");
  const outputs = converter(operation, graph);
  return Array.isArray(outputs) ? outputs : [outputs];
}

/** Names every operator in the way at once, so that nobody has to find them one after another. */
function requireSupported(operators: readonly Operator[]): void {
  const users = new Map<string, { first: string; others: number }>();
  for (const { type, label, name } of operators) {
    if (Object.hasOwn(converters, type) || isFolded(type)) continue;
    const known = users.get(label);
    if (known) known.others++;
    else users.set(label, { first: name, others: 0 });
  }
  if (users.size === 0) return;
  const uses = [...users].map(([label, { first, others }]) => {
    const more = others > 0 ? ` and ${others} more` : "";
    return `node "${first}"${more} uses the unsupported operator ${label}`;
  });
  throw new GenieError("unsupported-operator", uses.join(", "));
}
