/** The part of a file behind the network that we understand, as an ONNX model of its own. */
import { create, toBinary } from "@bufbuild/protobuf";
import { GenieError } from "../../../errors.ts";
import type { Tail } from "../../../ir/tail.ts";
import { Names } from "../../graph/names.ts";
import type { NamedNode } from "../importer/liveNodes.ts";
import type { ParsedModel } from "../importer/parse.ts";
import { referencesOf } from "../importer/references.ts";
import type { Value } from "../importer/values.ts";
import { type GraphProto, ModelProtoSchema, type TensorProto } from "../onnx_pb.ts";
import { upgradeNodes } from "./upgrade.ts";

/** Operators with weights: they stay float where they stand in the tail. */
const LAYERS = new Set(["Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU", "RNN"]);

/** What the network ends at. */
export interface Ending {
  /** Nodes that read what is not understood, or are not understood themselves, in order. */
  beyond: readonly NamedNode[];
  /** Why each node that is not understood is not. */
  reasons: readonly string[];
  batch: number | undefined;
}

/** A tail before it is known how the network holds what it reads. */
export interface CollectedTail {
  nodes: NamedNode[];
  initializers: TensorProto[];
  /** Names of the network's values that it reads. */
  reads: string[];
}

/**
 * Every node beyond the end, with those in front of it that only computed constants: they are computed again there.
 *
 * @param kindOf What each name stands for.
 */
export function collectTail(
  graph: GraphProto,
  live: readonly NamedNode[],
  beyond: readonly NamedNode[],
  kindOf: (name: string) => Value["kind"] | undefined,
): CollectedTail {
  const writers = new Map(live.flatMap((node) => node.proto.output.map((name) => [name, node] as const)));
  const initializers = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
  const members = new Set(beyond);
  const reads = new Set<string>();
  const used = new Set<TensorProto>();
  const visit = (name: string): void => {
    const kind = kindOf(name);
    const writer = writers.get(name);
    const initializer = initializers.get(name);
    if (initializer) used.add(initializer);
    else if (kind === "activation") reads.add(name);
    else if (writer) members.add(writer);
    else if (kind !== "beyond") {
      throw new GenieError("invalid-model", `the model reads "${name}", which nothing in the model writes`);
    }
  };
  for (const { name } of graph.output) if (kindOf(name) !== "activation") visit(name);
  // A set is walked through to its end, also where that moves away.
  for (const { proto } of members) for (const name of referencesOf(proto)) visit(name);
  return {
    nodes: live.filter((node) => members.has(node)),
    initializers: [...used],
    reads: [...reads],
  };
}

/**
 * The tail as a model, of operator set 21.
 *
 * @param reads The network's values by their names in it, and how they lie there.
 * @param networkInputs Names of the file's inputs that the network reads.
 */
export function tailOf(
  { graph, opset, domains }: ParsedModel,
  { nodes, initializers }: CollectedTail,
  reads: Tail["reads"],
  networkInputs: ReadonlySet<string>,
  { reasons, batch }: Omit<Ending, "beyond">,
): Tail {
  const names = new Names([
    ...[...graph.input, ...graph.initializer].map(({ name }) => name),
    ...graph.node.flatMap(({ output }) => output),
  ]);
  const upgraded = upgradeNodes(
    nodes.map(({ proto, name }) => ({ ...proto, name })),
    opset,
    (wanted) => names.fresh(wanted),
  );
  const isInitial = new Set(graph.initializer.map(({ name }) => name));
  const inputs = graph.input.filter(({ name }) => !isInitial.has(name));
  const own = new Set(nodes.flatMap(({ proto }) => referencesOf(proto)));
  const model = create(ModelProtoSchema, {
    irVersion: 10n,
    opsetImport: [{ domain: "", version: 21n }, ...domains],
    graph: {
      name: `${graph.name || "model"}/tail`,
      node: upgraded.nodes,
      initializer: [...initializers, ...upgraded.initializers],
      input: inputs.filter(({ name }) => own.has(name) && !networkInputs.has(name)),
      output: graph.output,
    },
  });
  return {
    format: "onnx",
    model: toBinary(ModelProtoSchema, model),
    reads,
    inputs: inputs.map(({ name }) => name).filter((name) => own.has(name) || networkInputs.has(name)),
    outputs: graph.output.map(({ name }) => name),
    ...(batch !== undefined && { batch }),
    reasons: [...reasons],
    layers: nodes.filter(({ proto }) => LAYERS.has(proto.opType)).map(({ name }) => name),
  };
}
