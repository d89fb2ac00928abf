/** The nodes of an ONNX graph that matter, each behind those that it reads, each under a name of its own. */
import { GenieError } from "../../../errors.ts";
import { Names } from "../../graph/names.ts";
import type { GraphProto, NodeProto } from "../onnx_pb.ts";
import { referencesOf } from "./references.ts";

export interface NamedNode {
  proto: NodeProto;
  /** The file's name where it has a new one, else the operator with its position: `Conv_3`. */
  name: string;
}

/**
 * The nodes that an output depends on, in the file's order as far as it goes: some writers list nodes before those that
 * they read. What only training, debugging or unused outputs need is left out.
 *
 * @throws GenieError `invalid-model` where two nodes write one value, or nodes wait for each other.
 */
export function liveNodes(graph: GraphProto): NamedNode[] {
  const names = new Names();
  const named = graph.node.map((proto, i) => ({
    proto,
    name: names.fresh(proto.name || `${proto.opType}_${i}`),
  }));
  const writers = writersOf(graph, named);
  const reads = new Map(
    named.map((node) => [node, referencesOf(node.proto).flatMap((name) => writers.get(name) ?? [])]),
  );
  const needed = neededFor(graph, writers, reads);
  return inOrder(
    named.filter((node) => needed.has(node)),
    reads,
  );
}

/** The nodes whose outputs each node reads. */
type Reads = ReadonlyMap<NamedNode, readonly NamedNode[]>;

/** Every node that an output depends on. */
function neededFor(graph: GraphProto, writers: ReadonlyMap<string, NamedNode>, reads: Reads): Set<NamedNode> {
  const found = new Set(graph.output.flatMap(({ name }) => writers.get(name) ?? []));
  // A set is walked through to its end, also where that moves away.
  for (const node of found) for (const read of reads.get(node)!) found.add(read);
  return found;
}

/** Each node behind those that it reads, else as they stand. */
function inOrder(nodes: readonly NamedNode[], reads: Reads): NamedNode[] {
  const done = new Set<NamedNode>();
  const waiting = new Set<NamedNode>();
  for (const first of nodes) {
    const stack = [{ node: first, next: 0 }];
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      const { node } = top;
      const read = done.has(node) ? undefined : reads.get(node)![top.next++];
      if (!read) {
        done.add(node);
        stack.pop();
      } else if (!done.has(read)) {
        waiting.add(node);
        if (waiting.has(read)) throw cycle(node, read);
        stack.push({ node: read, next: 0 });
      }
    }
  }
  return [...done];
}

function cycle(node: NamedNode, read: NamedNode): GenieError {
  return new GenieError(
    "invalid-model",
    `node "${node.name}" (${node.proto.opType}) and node "${read.name}" depend on each other: a cycle`,
  );
}

/** Which node writes each value. */
function writersOf(graph: GraphProto, nodes: readonly NamedNode[]): Map<string, NamedNode> {
  const writers = new Map<string, NamedNode>();
  const given = new Set([...graph.input, ...graph.initializer].map(({ name }) => name));
  for (const node of nodes) {
    for (const output of node.proto.output) {
      if (output === "") continue;
      if (writers.has(output) || given.has(output)) {
        throw new GenieError(
          "invalid-model",
          `node "${node.name}" (${node.proto.opType}) writes "${output}", a name already taken`,
        );
      }
      writers.set(output, node);
    }
  }
  return writers;
}
