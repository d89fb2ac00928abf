/**
 * ONNX files (operator sets 7 to 23) as Graphs: channels last, shape arithmetic computed, the batch open.
 *
 * Format: https://github.com/onnx/onnx/blob/main/docs/IR.md and docs/Operators.md
 */
import { GenieError } from "../../errors.ts";
import type { Graph } from "../../ir/graph.ts";
import { converters } from "./importer/converters/index.ts";
import { ConstantFolder, folders } from "./importer/folding.ts";
import { fuseBias } from "./importer/fuseBias.ts";
import { GraphBuilder } from "./importer/graphBuilder.ts";
import { channelsLastValues, readInputs } from "./importer/inputs.ts";
import { liveNodes, type NamedNode } from "./importer/liveNodes.ts";
import { Operation } from "./importer/operation.ts";
import { parseModel } from "./importer/parse.ts";
import { Scope } from "./importer/scope.ts";
import { type Activation, channelsLast, onnxOrder, type Value } from "./importer/values.ts";
import type { GraphProto, NodeProto } from "./onnx_pb.ts";

export interface ImportOptions {
  /**
   * The shape of the first input where the file leaves it open, in the file's own layout (mostly [N, C, H, W]),
   * with or without the batch.
   */
  inputShape?: readonly number[];
}

/**
 * Reads an ONNX file. BatchNorm nodes are kept; a batch that the file fixes is opened.
 *
 * Images are [N, H, W, C] in the result: inputs and outputs that are [N, C, H, W] in the file have their axes
 * moved, except in files that are channels-last themselves.
 *
 * @throws GenieError `malformed-file` for anything but a whole ONNX file; `unsupported-operator` naming the node
 *   and what is supported; `dynamic-shape` for an open dimension besides the batch; `invalid-model` where the file
 *   contradicts itself; `invalid-option` for an `inputShape` that contradicts the file.
 */
export function importOnnx(bytes: Uint8Array, { inputShape }: ImportOptions = {}): Graph {
  const { graph, opset } = parseModel(bytes);
  const nodes = liveNodes(graph);
  requireSupported(nodes);
  const scope = new Scope(graph);
  const builder = new GraphBuilder(graph.name || "model", valueNames(graph));
  const folder = new ConstantFolder();

  const { inputs, fixedBatch } = readInputs(graph, nodes, inputShape);
  builder.fixedBatch = fixedBatch;
  const lastInFile = channelsLastValues(nodes);
  /** The order of images at the network's borders. */
  const imageOrder = inputs.some(({ name }) => lastInFile.has(name)) ? onnxOrder(4) : channelsLast(4);
  const orderOf = ({ length }: number[]) => (length === 4 ? imageOrder : onnxOrder(length));
  for (const { name, shape } of inputs) scope.set(name, builder.addInput(name, shape, orderOf(shape)));

  for (const { proto, name } of nodes) {
    const operands = proto.input.map((input) =>
      input === "" ? undefined : scope.get(input, `node "${name}" (${proto.opType})`),
    );
    const outputs = convert(new Operation(proto, name, opset, operands), builder, folder);
    proto.output.forEach((output, i) => {
      const value = outputs[i];
      if (output !== "" && value) scope.set(output, value);
    });
  }

  const outputs = new Map<string, Activation>();
  for (const { name } of graph.output) {
    const value = scope.get(name, "the model's output");
    if (value.kind !== "activation") {
      throw new GenieError("invalid-model", `the model's output "${name}" is not computed from its input`);
    }
    outputs.set(name, builder.reorder(value, orderOf(value.shape)));
  }
  return fuseBias(builder.finish(outputs));
}

/** Every operator that a file may use, in alphabetical order. */
export function supportedOperators(): string[] {
  return [...new Set([...Object.keys(converters), ...Object.keys(folders)])].sort();
}

/** Names every operator in the way at once, so that nobody has to find them one after another. */
function requireSupported(nodes: readonly NamedNode[]): void {
  const users = new Map<string, string[]>();
  for (const { proto, name } of nodes) {
    if (isSupported(proto)) continue;
    const operator = isOnnx(proto) ? proto.opType : `${proto.domain}.${proto.opType}`;
    const names = users.get(operator);
    if (names) names.push(name);
    else users.set(operator, [name]);
  }
  if (users.size === 0) return;
  const uses = [...users].map(([operator, [first, ...others]]) => {
    const more = others.length > 0 ? ` and ${others.length} more` : "";
    return `node "${first}"${more} uses the unsupported operator ${operator}`;
  });
  throw new GenieError(
    "unsupported-operator",
    `${uses.join(", ")}; supported are ${supportedOperators().join(", ")}`,
  );
}

function isSupported(proto: NodeProto): boolean {
  return isOnnx(proto) && (Object.hasOwn(converters, proto.opType) || Object.hasOwn(folders, proto.opType));
}

function isOnnx({ domain }: NodeProto): boolean {
  return domain === "" || domain === "ai.onnx";
}

/** What a node computes: now, if its inputs are known, else by nodes of ours. */
function convert(operation: Operation, builder: GraphBuilder, folder: ConstantFolder): Value[] {
  const isKnown = operation.inputs.every((value) => value === undefined || value.kind === "constant");
  if (isKnown) {
    const tensors = operation.inputs.map((value) => (value?.kind === "constant" ? value.tensor : undefined));
    return folder
      .fold(operation, tensors)
      .map((tensor, i) => ({ kind: "constant", name: operation.outputs[i] ?? "", tensor }));
  }
  const converter = Object.hasOwn(converters, operation.type) ? converters[operation.type] : undefined;
  if (!converter) {
    throw operation.unsupported("it is supported on constants, not on what the network computes");
  }
  const outputs = converter(operation, builder);
  return Array.isArray(outputs) ? outputs : [outputs];
}

function valueNames(graph: GraphProto): string[] {
  return [
    ...graph.input.map(({ name }) => name),
    ...graph.initializer.map(({ name }) => name),
    ...graph.node.flatMap(({ output }) => output),
  ];
}
