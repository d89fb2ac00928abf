/** The nodes of an ONNX graph that matter, in order, each under a name of its own. */
import { GenieError } from "../../../errors.ts";
import type { GraphProto, NodeProto } from "../onnx_pb.ts";
import { Names } from "./names.ts";

export interface NamedNode {
  proto: NodeProto;
  /** The file's name where it has a new one, else the operator with its position: `Conv_3`. */
  name: string;
}

/**
 * The nodes that an output depends on. What only training, debugging or unused outputs need is left out.
 *
 * @throws GenieError `invalid-model` where two nodes write one value, or one reads what only a later one writes.
 */
export function liveNodes(graph: GraphProto): NamedNode[] {
  const position = writers(graph);
  const needed = new Set(graph.output.map(({ name }) => name));
  const names = new Names();
  const named = graph.node.map((proto, i) => ({
    proto,
    name: names.fresh(proto.name || `${proto.opType}_${i}`),
  }));
  const live: NamedNode[] = [];
  for (let i = named.length - 1; i >= 0; i--) {
    const node = named[i]!;
    if (!node.proto.output.some((name) => name !== "" && needed.has(name))) continue;
    for (const input of node.proto.input) {
      const writer = position.get(input);
      if (writer !== undefined && writer >= i) {
        throw new GenieError(
          "invalid-model",
          `node "${node.name}" (${node.proto.opType}) reads "${input}" before node "${named[writer]!.name}" writes it: a cycle, or nodes out of order`,
        );
      }
      if (input !== "") needed.add(input);
    }
    live.push(node);
  }
  return live.reverse();
}

/** Which node writes each value, by position. */
function writers(graph: GraphProto): Map<string, number> {
  const position = new Map<string, number>();
  const given = new Set([...graph.input, ...graph.initializer].map(({ name }) => name));
  graph.node.forEach((node, i) => {
    for (const output of node.output) {
      if (output === "") continue;
      if (position.has(output) || given.has(output)) {
        throw new GenieError(
          "invalid-model",
          `node "${node.name || `${node.opType}_${i}`}" (${node.opType}) writes "${output}", a name already taken`,
        );
      }
      position.set(output, i);
    }
  });
  return position;
}
