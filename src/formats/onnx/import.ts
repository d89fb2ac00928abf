/**
 * ONNX files (operator sets 7 to 23) as Graphs: channels last, shape arithmetic computed, the batch open.
 *
 * Format: https://github.com/onnx/onnx/blob/main/docs/IR.md and docs/Operators.md
 */
import { GenieError } from "../../errors.ts";
import type { Graph } from "../../ir/graph.ts";
import { isLayer } from "../../ir/rewrite.ts";
import { Budget } from "../budget.ts";
import type { CompanionReader } from "../companion.ts";
import { fuseBias } from "../graph/fuseBias.ts";
import { converters } from "./importer/converters/index.ts";
import { attachExternalData } from "./importer/externalData.ts";
import { ConstantFolder, folders } from "./importer/folding.ts";
import { GraphBuilder } from "./importer/graphBuilder.ts";
import { channelsLastValues, readInputs } from "./importer/inputs.ts";
import { liveNodes, type NamedNode } from "./importer/liveNodes.ts";
import { Operation } from "./importer/operation.ts";
import { type ParsedModel, parseModel } from "./importer/parse.ts";
import { Scope } from "./importer/scope.ts";
import { sinkReshapes } from "./importer/sinkReshapes.ts";
import { type Activation, channelsLast, onnxOrder, type Value } from "./importer/values.ts";
import type { GraphProto, NodeProto } from "./onnx_pb.ts";
import { collectTail, tailOf } from "./tail/collectTail.ts";

export interface ImportOptions {
  /**
   * The shape of the first input where the file leaves it open, in the file's own layout (mostly [N, C, H, W]),
   * with or without the batch.
   */
  inputShape?: readonly number[];
  /** What reading may cost; default: a budget of its own. */
  budget?: Budget;
}

/**
 * Reads an ONNX file. BatchNorm nodes are kept; a batch that the file fixes is opened.
 *
 * Images are [N, H, W, C] in the result: inputs and outputs that are [N, C, H, W] in the file have their axes
 * moved, except in files that are channels-last themselves.
 *
 * The network ends where an operator is not understood: it and all that depends on it become the graph's `tail`.
 *
 * @throws GenieError `malformed-file` for anything but a whole ONNX file; `unsupported-operator` naming the nodes
 *   and what is supported, where they leave no layer that could be quantized; `dynamic-shape` for an open dimension
 *   besides the batch; `invalid-model` where the file contradicts itself; `invalid-option` for an `inputShape` that
 *   contradicts the file.
 */
export function importOnnx(bytes: Uint8Array, options: ImportOptions = {}): Graph {
  return importParsed(parseModel(bytes, options.budget), options);
}

/**
 * The same for a model whose weights may lie in files beside it.
 *
 * @throws GenieError as `importOnnx`, and as `readFile`.
 */
export async function importOnnxWithFiles(
  bytes: Uint8Array,
  readFile: CompanionReader,
  options: ImportOptions = {},
): Promise<Graph> {
  const parsed = parseModel(bytes, options.budget);
  await attachExternalData(parsed.graph, readFile);
  return importParsed(parsed, options);
}

/** @param left Names of nodes that are left to the tail. */
function importParsed(
  parsed: ParsedModel,
  options: ImportOptions,
  left: ReadonlySet<string> = new Set(),
): Graph {
  const { inputShape, budget } = options;
  const { graph, opset } = parsed;
  const nodes = liveNodes(graph);
  const scope = new Scope(graph);
  const builder = new GraphBuilder(graph.name || "model", valueNames(graph), new Budget(budget?.limits));
  const folder = new ConstantFolder();

  const { inputs, beyond: otherInputs, fixedBatch } = readInputs(graph, nodes, inputShape);
  builder.fixedBatch = fixedBatch;
  const lastInFile = channelsLastValues(nodes);
  /** The order of images at the network's borders. */
  const imageOrder = inputs.some(({ name }) => lastInFile.has(name)) ? onnxOrder(4) : channelsLast(4);
  const orderOf = ({ length }: number[]) => (length === 4 ? imageOrder : onnxOrder(length));
  for (const { name, shape } of inputs) scope.set(name, builder.addInput(name, shape, orderOf(shape)));
  for (const name of otherInputs) scope.set(name, { kind: "beyond" });

  const beyond: NamedNode[] = [];
  const obstacles = new Obstacles();
  const leave = (node: NamedNode): void => {
    beyond.push(node);
    for (const output of node.proto.output) scope.set(output, { kind: "beyond" });
  };
  for (const node of nodes) {
    const { proto, name } = node;
    const what = `node "${name}" (${proto.opType})`;
    const operands = proto.input.map((input) => (input === "" ? undefined : scope.get(input, what)));
    if (left.has(name) || operands.some((operand) => operand?.kind === "beyond")) {
      leave(node);
      continue;
    }
    try {
      const outputs = convert({ proto, name }, opset, operands, builder, folder);
      proto.output.forEach((output, i) => {
        const value = outputs[i];
        if (output !== "" && value) scope.set(output, value);
      });
    } catch (error) {
      if (!(error instanceof GenieError) || error.code !== "unsupported-operator") throw error;
      obstacles.add(node, error);
      leave(node);
    }
  }

  const kindOf = (name: string) => scope.find(name)?.kind;
  const collected = collectTail(graph, nodes, beyond, kindOf);
  // What leaves the network has its batch in front: where the file's has not, it is computed in the tail.
  const leaving = new Set([...graph.output.map(({ name }) => name), ...collected.reads]);
  const hiders = hidingNodes(nodes, leaving, (name) => {
    const value = scope.find(name);
    return value?.kind === "activation" && value.isBatchHidden === true;
  });
  if (hiders.length > 0) return importParsed(parsed, options, new Set([...left, ...hiders]));
  const hasTail = collected.nodes.length > 0;
  const ends = graph.output.map(({ name }) => name).filter((name) => kindOf(name) === "activation");
  const inputNames = new Set(inputs.map(({ name }) => name));
  const outputs = new Map<string, Activation>();
  for (const name of [...ends, ...collected.reads.filter((name) => !inputNames.has(name))]) {
    const value = scope.get(name, "the model's output");
    if (value.kind === "activation") outputs.set(name, builder.reorder(value, orderOf(value.shape)));
  }
  if (outputs.size === 0 && !hasTail) {
    throw new GenieError(
      "invalid-model",
      `the model's output "${graph.output[0]?.name}" is not computed from its input`,
    );
  }
  const isLast = imageOrder.join() === onnxOrder(4).join();
  const network: Graph = {
    ...fuseBias(sinkReshapes(builder.finish(outputs))),
    ...(isLast && { channelsLast: true }),
  };
  if (!hasTail) return network;
  if (!network.nodes.some(isLayer)) throw obstacles.refusal();
  const read = new Set(network.nodes.flatMap(({ inputs }) => inputs));
  const kept = network.inputs.filter(({ name }) => read.has(name));
  const unread = new Set(network.inputs.filter((input) => !kept.includes(input)).map(({ name }) => name));
  const reads = collected.reads.flatMap((value) => {
    if (unread.has(value)) return [];
    const { shape } = scope.get(value, "the tail") as Activation;
    return [{ value, channelsFirst: shape.length === 4 && !isLast }];
  });
  return {
    ...network,
    inputs: kept,
    tail: tailOf(parsed, collected, reads, new Set(kept.map(({ name }) => name)), {
      reasons: obstacles.reasons,
      batch: fixedBatch,
    }),
  };
}

/** The nodes behind which the batch of values that leave the network is hidden. */
function hidingNodes(
  nodes: readonly NamedNode[],
  leaving: ReadonlySet<string>,
  isHidden: (name: string) => boolean,
): string[] {
  const wanted = new Set([...leaving].filter(isHidden));
  const found: string[] = [];
  for (const { proto, name } of nodes.toReversed()) {
    if (!proto.output.some((output) => wanted.has(output))) continue;
    const before = proto.input.filter(isHidden);
    if (before.length === 0) found.push(name);
    for (const input of before) wanted.add(input);
  }
  return found;
}

/** Every operator that a file may use, in alphabetical order. */
export function supportedOperators(): string[] {
  return [...new Set([...Object.keys(converters), ...Object.keys(folders)])].sort();
}

/** What the network ends at. */
class Obstacles {
  readonly #users = new Map<string, { first: string; count: number; error: GenieError }>();

  add({ proto, name }: NamedNode, error: GenieError): void {
    const operator = operatorOf(proto);
    // One operator may be in the way for several reasons: one line for each.
    const key = `${operator} ${error.message.replace(JSON.stringify(name), "")}`;
    const known = this.#users.get(key);
    if (known) known.count++;
    else this.#users.set(key, { first: name, count: 1, error });
  }

  /** A line for each kind, so that nobody has to find them one after another. */
  get reasons(): string[] {
    return [...this.#users.values()].map(
      ({ count, error }) => `${error.message}${count > 1 ? ` (and ${count - 1} more)` : ""}`,
    );
  }

  /** Where nothing is left to be quantized. */
  refusal(): GenieError {
    return new GenieError(
      "unsupported-operator",
      `nothing of the model can be quantized: ${this.reasons.join("; ") || "it has no layer with weights"}; ` +
        `supported are ${supportedOperators().join(", ")}`,
    );
  }
}

function operatorOf({ domain, opType }: NodeProto): string {
  return isOnnx(domain) ? opType : `${domain}.${opType}`;
}

function isOnnx(domain: string): boolean {
  return domain === "" || domain === "ai.onnx";
}

/** What a node computes: now, if its inputs are known, else by nodes of ours. */
function convert(
  { proto, name }: NamedNode,
  opset: number,
  operands: (Value | undefined)[],
  builder: GraphBuilder,
  folder: ConstantFolder,
): Value[] {
  const operation = new Operation(proto, name, opset, operands);
  const isSupported = Object.hasOwn(converters, proto.opType) || Object.hasOwn(folders, proto.opType);
  if (!isOnnx(proto.domain) || !isSupported) {
    throw operation.unsupported(`the operator ${operatorOf(proto)} is not supported`);
  }
  const isKnown = operands.every((value) => value === undefined || value.kind === "constant");
  if (isKnown) {
    const tensors = operands.map((value) => (value?.kind === "constant" ? value.tensor : undefined));
    return folder
      .fold(operation, tensors)
      .map((tensor, i) => ({ kind: "constant", name: operation.outputs[i] ?? "", tensor }));
  }
  const converter = Object.hasOwn(converters, operation.type) ? converters[operation.type] : undefined;
  if (!converter) {
    throw operation.unsupported("it is supported on constants, not on what the network computes");
  }
  const withHiddenBatch = (): Value[] => {
    const hidden = operands.map((value) => hideBatch(operation, value, builder));
    const outputs = converter(new Operation(proto, name, opset, hidden, true), builder);
    return [outputs].flat().map((value) => showBatch(operation, value, builder));
  };
  if (operands.some((value) => value?.kind === "activation" && value.isBatchHidden)) return withHiddenBatch();
  try {
    return [converter(operation, builder)].flat();
  } catch (error) {
    // A batch of 1 may be moved, merged and indexed like any other dimension of 1.
    const isOne = builder.fixedBatch === 1 && MOVEMENTS.has(operation.type);
    if (!isOne || !(error instanceof GenieError) || error.code !== "unsupported-operator") throw error;
    return withHiddenBatch();
  }
}

/** Operators that only move elements: what they do with a batch of 1 is right for any batch. */
const MOVEMENTS: ReadonlySet<string> = new Set([
  "Concat",
  "Flatten",
  "Gather",
  "Reshape",
  "Slice",
  "Split",
  "Squeeze",
  "Transpose",
  "Unsqueeze",
]);

/** The value with its batch in front of the file's dimensions, of which the first was the batch. */
function hideBatch(operation: Operation, value: Value | undefined, builder: GraphBuilder): Value | undefined {
  if (value?.kind !== "activation" || value.isBatchHidden) return value;
  const [batch, ...rest] = value.shape as [number, ...number[]];
  return builder.reshape(operation, value, [batch, 1, ...rest], "hidden");
}

/** The other way round, where the file's first dimension is 1 again. */
function showBatch(operation: Operation, value: Value, builder: GraphBuilder): Value {
  if (value.kind !== "activation") return value;
  const [batch, first, ...rest] = value.shape as [number, ...number[]];
  if (first !== 1 || rest.length === 0) return { ...value, isBatchHidden: true };
  const { isBatchHidden: _, ...shown } = builder.reshape(operation, value, [batch, ...rest], "shown");
  return shown;
}

function valueNames(graph: GraphProto): string[] {
  return [
    ...graph.input.map(({ name }) => name),
    ...graph.initializer.map(({ name }) => name),
    ...graph.node.flatMap(({ output }) => output),
  ];
}
