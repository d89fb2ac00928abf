/** TFJS graph models: a GraphDef of TensorFlow's operators, with the fused ones that the converter makes. */
import { GenieError } from "../../errors.ts";
import type { Graph } from "../../ir/graph.ts";
import { Budget } from "../budget.ts";
import type { CompanionReader } from "../companion.ts";
import { type Config, record } from "../keras/topology.ts";
import { type ImportNetworkOptions, importNetwork } from "../tensorflow/importNetwork.ts";
import type { Network, NetworkInput, Operator, TensorConstant } from "../tensorflow/network.ts";
import { type GraphNode, readNodes, shapeOf } from "./graphDef.ts";
import { readManifest } from "./manifest.ts";

/** TensorFlow's types that are integers to a network. */
const INTEGER_TYPES = new Set(["DT_INT32", "DT_INT64", "DT_UINT8", "DT_INT8", "DT_INT16", "DT_BOOL"]);

/**
 * Reads a TFJS graph model.
 *
 * @param file What `model.json` holds.
 * @throws GenieError `malformed-file`, and as `importNetwork`.
 */
export async function importGraphModel(
  file: Config,
  readShard: CompanionReader,
  { budget = new Budget(), ...options }: ImportNetworkOptions & { budget?: Budget | undefined } = {},
): Promise<Graph> {
  const nodes = readNodes(record(file.modelTopology, "modelTopology"), budget);
  const signature = signatureOf(file);
  const names = new Set(nodes.map(({ name }) => name));
  if (names.size !== nodes.length) throw new GenieError("invalid-model", "two nodes have the same name");
  const weights = await readManifest(file.weightsManifest, readShard, budget);
  const constants = new Map(weights.map((weight) => [weight.name, weight]));
  const network: Network = {
    name: "model",
    inputs: nodes.filter(isInput).map((node) => inputOf(node, signature.inputs)),
    outputs: outputsOf(nodes, signature.outputs),
    operators: nodes.filter((node) => node.op !== "Const" && !isInput(node)).map(operatorOf),
    // Four a value, and what a node takes as text.
    bytes: weights.reduce((sum, { data }) => sum + data.byteLength, 100 * nodes.length),
    constant: (name) => {
      const weight = constants.get(name);
      if (!weight) return undefined;
      const { shape, data, isInteger } = weight;
      const tensor: TensorConstant = isInteger
        ? { shape, data: Float64Array.from(data), isInteger }
        : { shape, data, isInteger };
      return tensor;
    },
  };
  return importNetwork(network, options);
}

function isInput({ op }: GraphNode): boolean {
  return op === "Placeholder" || op === "PlaceholderWithDefault";
}

/** Converters keep it beside the graph, older ones among what the user defines. */
function signatureOf(file: Config): { inputs: Config; outputs: Config } {
  const defined = file.userDefinedMetadata ? record(file.userDefinedMetadata, "userDefinedMetadata") : {};
  const signature = record(file.signature ?? defined.signature ?? {}, "the signature");
  return {
    inputs: record(signature.inputs ?? {}, "the signature's inputs"),
    outputs: record(signature.outputs ?? {}, "the signature's outputs"),
  };
}

/** A placeholder without a shape of its own has the signature's. */
function inputOf({ name, shape }: GraphNode, signature: Config): NetworkInput {
  const infos = Object.values(signature).map((info) => record(info, "an input of the signature"));
  const own = infos.find((info) => typeof info.name === "string" && valueNamed(info.name) === name);
  const signed = own?.tensorShape ? shapeOf(own.tensorShape) : undefined;
  return { name, shape: shape && shape.length > 0 ? shape : signed };
}

/** Those of the signature by its names, or else the nodes that nobody reads. */
function outputsOf(nodes: readonly GraphNode[], signature: Config): Network["outputs"] {
  const signed = Object.entries(signature).map(([name, info]) => {
    const { name: value } = record(info, "an output of the signature");
    if (typeof value !== "string")
      throw new GenieError("malformed-file", `the signature's output "${name}" has no name`);
    return { name, value: valueNamed(value) };
  });
  if (signed.length > 0) return signed;
  const read = new Set(nodes.flatMap(({ inputs }) => inputs.map(valueNamed)));
  return nodes
    .filter(({ name, op }) => !read.has(name) && op !== "Const" && op !== "NoOp")
    .map(({ name }) => ({ name, value: name }));
}

/** "conv:0" is what node "conv" writes first, as "conv" is. */
function valueNamed(reference: string): string {
  return reference.endsWith(":0") ? reference.slice(0, -2) : reference;
}

function operatorOf({ name, op, inputs, attributes }: GraphNode): Operator {
  const count = outputCount(op, attributes);
  return {
    type: op === "Gather" ? "GatherV2" : op,
    label: op,
    name,
    // "^node" only asks that it be run before.
    inputs: inputs.filter((input) => !input.startsWith("^")).map(valueNamed),
    outputs: Array.from({ length: count }, (_, i) => (i === 0 ? name : `${name}:${i}`)),
    attributes: {
      ...attributes,
      ...(op === "Cast" && { to_integer: INTEGER_TYPES.has(String(attributes.DstT)) }),
    },
  };
}

/** Most parts that a node splits a value into. */
const MAX_OUTPUTS = 1024;

function outputCount(op: string, attributes: Config): number {
  const stated = { Split: attributes.num_split, SplitV: attributes.num_split, Unpack: attributes.num }[op];
  return typeof stated === "number" && stated >= 1 && stated <= MAX_OUTPUTS ? stated : 1;
}
