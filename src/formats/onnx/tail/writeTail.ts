/** A network's tail in the file that the network is written to: as it was, under names that nothing else has. */
import { create, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import type { Tail } from "../../../ir/tail.ts";
import type { FileBuilder } from "../fileBuilder.ts";
import {
  type GraphProto,
  ModelProtoSchema,
  type NodeProto,
  type OperatorSetIdProto,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from "../onnx_pb.ts";

/** The tail of a file that is being written. */
export interface OpenTail {
  graph: GraphProto;
  /** Operator sets that its operators are of, ONNX's own left out. */
  domains: OperatorSetIdProto[];
}

export function openTail({ model }: Tail): OpenTail {
  const { graph, opsetImport } = fromBinary(ModelProtoSchema, model);
  return { graph: graph!, domains: opsetImport.filter(({ domain }) => domain !== "") };
}

/** Value names that the tail gives to the whole model: nothing else in the file may have them. */
export function namesGiven({ graph }: OpenTail): string[] {
  return [...graph.input, ...graph.output].map(({ name }) => name);
}

/**
 * Adds the tail's nodes and initializers to the file.
 *
 * @param read The file's name of each value of the network that the tail reads.
 */
export function writeTail({ graph }: OpenTail, file: FileBuilder, read: ReadonlyMap<string, string>): void {
  const kept = new Set(namesGiven({ graph, domains: [] }));
  const names = new Map(read);
  const own = [...graph.initializer.map(({ name }) => name), ...graph.node.flatMap(({ output }) => output)];
  for (const name of own) {
    if (name !== "" && !names.has(name)) names.set(name, kept.has(name) ? name : file.freshValue(name));
  }
  for (const initializer of graph.initializer) {
    file.initializers.push({ ...initializer, name: names.get(initializer.name)! });
  }
  for (const node of graph.node) file.addVerbatim(renamed(node, names));
}

/** An input or output of the whole model as the file that was read has it, with its batch where that is fixed. */
export function infoOf(
  { graph }: OpenTail,
  name: string,
): MessageInitShape<typeof ValueInfoProtoSchema> | undefined {
  return [...graph.input, ...graph.output].find((info) => info.name === name) satisfies
    | ValueInfoProto
    | undefined;
}

/** The node, and what is in its subgraphs, reading and writing under new names. */
function renamed(node: NodeProto, names: ReadonlyMap<string, string>): NodeProto {
  const rename = (name: string): string => names.get(name) ?? name;
  return {
    ...node,
    input: node.input.map(rename),
    output: node.output.map(rename),
    attribute: node.attribute.map((attribute) => ({
      ...attribute,
      ...(attribute.g && { g: renamedGraph(attribute.g, names) }),
      graphs: attribute.graphs.map((graph) => renamedGraph(graph, names)),
    })),
  };
}

/** What the subgraph names itself hides what has the name outside. */
function renamedGraph(graph: GraphProto, outer: ReadonlyMap<string, string>): GraphProto {
  const own = new Set([
    ...graph.input.map(({ name }) => name),
    ...graph.initializer.map(({ name }) => name),
    ...graph.node.flatMap(({ output }) => output),
  ]);
  const names = new Map([...outer].filter(([name]) => !own.has(name)));
  return {
    ...graph,
    node: graph.node.map((node) => renamed(node, names)),
    output: graph.output.map((info) =>
      create(ValueInfoProtoSchema, { ...info, name: names.get(info.name) ?? info.name }),
    ),
  };
}
