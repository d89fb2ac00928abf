/**
 * TensorFlow Lite files as Graphs: of floats, or quantized, which are then dequantized.
 *
 * Format: https://ai.google.dev/edge/litert/conversion/tensorflow/build/ops_compatibility and the schema in tflite.fbs
 */
import { GenieError } from "../../errors.ts";
import type { Graph } from "../../ir/graph.ts";
import { isPrintable } from "../../printable.ts";
import { Budget } from "../budget.ts";
import { Names } from "../graph/names.ts";
import { type ImportNetworkOptions, importNetwork } from "../tensorflow/importNetwork.ts";
import type { Network, Operator, TensorConstant } from "../tensorflow/network.ts";
import { CheckedBuffer } from "./checkedBuffer.ts";
import { Model } from "./generated/tflite/model.ts";
import type { SubGraph } from "./generated/tflite/sub-graph.ts";
import { operatorName } from "./operatorNames.ts";
import { toTensorFlow } from "./operators.ts";
import { decodeTensor, isQuantizedWeight, quantizedRange, type TensorInfo, tensorInfo } from "./tensors.ts";

export interface ImportTfliteOptions extends ImportNetworkOptions {
  budget?: Budget | undefined;
  /** Hears that the file is quantized already. */
  onNote?: ((note: string) => void) | undefined;
}

/** Elements of all constants a byte of the file; many tensors over one buffer would ask for more. */
const ELEMENTS_PER_BYTE = 4;

/** Operators that take a function of their result along; in quantized files the result's range can stand for it. */
const FUSING = new Set(["ADD", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "MUL", "SUB"]);

/**
 * @throws GenieError `malformed-file`; `unsupported-operator` naming what is in the way; `dynamic-shape`,
 *   `invalid-model`, `invalid-option` as `importNetwork`.
 */
export function importTflite(
  bytes: Uint8Array,
  { inputShape, onNote, budget = new Budget() }: ImportTfliteOptions = {},
): Graph {
  const model = Model.getRootAsModel(new CheckedBuffer(bytes));
  const subgraph = model.subgraphsLength() > 0 ? model.subgraphs(0) : null;
  if (!subgraph) throw new GenieError("malformed-file", "the TFLite file holds no network");
  const tensors = Array.from({ length: subgraph.tensorsLength() }, (_, i) =>
    tensorInfo(subgraph.tensors(i)!),
  );
  budget.spend("nodes", subgraph.operatorsLength(), "the model");
  const names = namesOf(model, tensors);
  const nameOf = (index: number): string => {
    const name = names[index];
    if (name === undefined) throw new GenieError("malformed-file", `the TFLite file has no tensor ${index}`);
    return name;
  };
  const list = (length: number, at: (i: number) => number | null) => Array.from({ length }, (_, i) => at(i)!);
  const inputs = list(subgraph.inputsLength(), (i) => subgraph.inputs(i));
  const outputs = list(subgraph.outputsLength(), (i) => subgraph.outputs(i));
  const network: Network = {
    name: printable(subgraph.name()) || "model",
    inputs: inputs.map((index) => ({ name: nameOf(index), shape: shapeOf(tensors[index]!) })),
    outputs: outputs.map((index) => ({ name: nameOf(index), value: nameOf(index) })),
    operators: operatorsOf(model, subgraph, tensors, nameOf),
    bytes: bytes.length,
    constant: constantsOf(model, bytes, tensors, names, budget),
  };
  const graph = importNetwork(network, { inputShape });
  const written = new Set(network.operators.flatMap(({ outputs: values }) => values));
  const note = quantizationNote(tensors, names, written);
  if (note) onNote?.(note);
  return graph;
}

/** Each tensor's own name: that of the model's signature, where it has one, else the file's. */
function namesOf(model: Model, tensors: readonly TensorInfo[]): string[] {
  const unique = new Names();
  const signed = new Map<number, string>();
  // Several signatures would call one tensor several names.
  const signature = model.signatureDefsLength() === 1 ? model.signatureDefs(0) : null;
  if (signature && signature.subgraphIndex() === 0) {
    const maps = [
      ...Array.from({ length: signature.inputsLength() }, (_, i) => signature.inputs(i)!),
      ...Array.from({ length: signature.outputsLength() }, (_, i) => signature.outputs(i)!),
    ];
    for (const map of maps) {
      const name = printable(map.name());
      if (name) signed.set(map.tensorIndex(), unique.fresh(name));
    }
  }
  return tensors.map(({ name }, i) => signed.get(i) ?? unique.fresh(name || `tensor_${i}`));
}

function printable(text: string | null): string {
  return text !== null && isPrintable(text) ? text : "";
}

/** Sizes that the file leaves open are undefined. */
function shapeOf({ shape, signature }: TensorInfo): (number | undefined)[] {
  const stated = signature.length === shape.length ? signature : shape;
  return stated.map((size) => (size >= 1 ? size : undefined));
}

function operatorsOf(
  model: Model,
  subgraph: SubGraph,
  tensors: readonly TensorInfo[],
  nameOf: (index: number) => string,
): Operator[] {
  const labels = Array.from({ length: model.operatorCodesLength() }, (_, i) => {
    const code = model.operatorCodes(i)!;
    // Codes beyond 127 are in the newer field alone.
    const name = operatorName(Math.max(code.deprecatedBuiltinCode(), code.builtinCode()));
    return name === "CUSTOM" ? `CUSTOM ${printable(code.customCode()) || "without name"}` : name;
  });
  return Array.from({ length: subgraph.operatorsLength() }, (_, i) => {
    const operator = subgraph.operators(i)!;
    const label = labels[operator.opcodeIndex()] ?? "operator without code";
    const read = (length: number, at: (i: number) => number | null) =>
      Array.from({ length }, (_, k) => at(k)!);
    const inputs = read(operator.inputsLength(), (k) => operator.inputs(k));
    const outputs = read(operator.outputsLength(), (k) => operator.outputs(k));
    const given = inputs.filter((index) => index >= 0).length;
    const { type, attributes } = toTensorFlow(label, operator.builtinOptions(), given);
    const written = outputs.map(nameOf);
    return {
      type,
      label,
      name: written[0] ?? `${label}_${i}`,
      // Optional inputs that are left out are −1.
      inputs: inputs.map((index) => (index < 0 ? undefined : nameOf(index))),
      outputs: written,
      attributes: FUSING.has(label) ? withImplied(attributes, tensors[outputs[0] ?? -1]) : attributes,
    };
  });
}

/** Converters drop a rectifier that the quantized range of the result stands for; the floats need it. */
function withImplied(
  attributes: Record<string, unknown>,
  output: TensorInfo | undefined,
): Record<string, unknown> {
  const fused = attributes.fused_ops as string[];
  const range = output && quantizedRange(output);
  if (range?.[0] !== 0 || fused.some((name) => name !== "BiasAdd")) return attributes;
  return { ...attributes, fused_ops: [...fused, Math.abs(range[1] - 6) < 0.05 ? "Relu6" : "Relu"] };
}

function constantsOf(
  model: Model,
  bytes: Uint8Array,
  tensors: readonly TensorInfo[],
  names: readonly string[],
  budget: Budget,
): Network["constant"] {
  const index = new Map(names.map((name, i) => [name, i]));
  let left = ELEMENTS_PER_BYTE * bytes.length;
  const known = new Map<string, TensorConstant>();
  return (name) => {
    const decoded = known.get(name);
    if (decoded) return decoded;
    const info = tensors[index.get(name) ?? -1];
    const data = info && info.buffer > 0 ? dataOf(model, info.buffer, bytes) : undefined;
    if (!info || !data) return undefined;
    const tensor = decodeTensor(info, data, name);
    budget.spend("values", tensor.data.length, "the model");
    left -= tensor.data.length;
    if (left < 0) throw new GenieError("malformed-file", "the TFLite file is damaged: its constants overlap");
    known.set(name, tensor);
    return tensor;
  };
}

/** Bytes of a buffer: in it, or in files beyond 2 GiB behind the flatbuffer. */
function dataOf(model: Model, index: number, bytes: Uint8Array): Uint8Array | undefined {
  const buffer = index < model.buffersLength() ? model.buffers(index) : null;
  if (!buffer) throw new GenieError("malformed-file", `the TFLite file has no buffer ${index}`);
  const inside = buffer.dataArray();
  if (inside && inside.length > 0) return inside;
  const [offset, size] = [Number(buffer.offset()), Number(buffer.size())];
  return offset > 1 ? bytes.subarray(offset, offset + size) : undefined;
}

/** @param written Names of what operators write. */
function quantizationNote(
  tensors: readonly TensorInfo[],
  names: readonly string[],
  written: ReadonlySet<string>,
): string | undefined {
  const hasActivations = tensors.some((info, i) => written.has(names[i]!) && quantizedRange(info));
  if (!hasActivations && !tensors.some(isQuantizedWeight)) return undefined;
  return (
    `the TFLite file is quantized already: its ${hasActivations ? "weights and activations" : "weights"} are ` +
    "integers, which were dequantized; better start from the float model, if there is one"
  );
}
