/** Nodes of older operator sets said in that of our files (21), for what is carried through as it is. */
import { create } from "@bufbuild/protobuf";
import { GenieError } from "../../../errors.ts";
import {
  type AttributeProto,
  AttributeProto_AttributeType as AttributeType,
  TensorProto_DataType as DataType,
  type GraphProto,
  type NodeProto,
  type TensorProto,
  TensorProtoSchema,
} from "../onnx_pb.ts";
import { type TensorParts, UPGRADES, type Upgrading } from "./upgrades.ts";

/** Operators whose old forms say something that cannot be said now. */
const LOST: Readonly<Record<string, number>> = {
  Scan: 9,
  Loop: 1,
  MaxUnpool: 9,
  Tile: 6,
  LSTM: 7,
  GRU: 7,
  RNN: 7,
};

/**
 * The graph's nodes as operator set 21 has them, subgraphs included.
 *
 * @param fresh Gives value names that nothing else has.
 * @returns Nodes in order, and initializers that stand for what were attributes.
 * @throws GenieError `unsupported-operator` for the few that cannot be said in it.
 */
export function upgradeNodes(
  nodes: readonly NodeProto[],
  opset: number,
  fresh: (wanted: string) => string,
): { nodes: NodeProto[]; initializers: TensorProto[] } {
  const initializers: TensorProto[] = [];
  const upgraded = nodes.flatMap((proto) => {
    const node: NodeProto = { ...proto, input: [...proto.input], attribute: proto.attribute.map(deepen) };
    if (node.domain !== "" && node.domain !== "ai.onnx") return [node];
    if (opset < (LOST[node.opType] ?? 0)) {
      throw new GenieError(
        "unsupported-operator",
        `node "${node.name}" (${node.opType}) is of operator set ${opset}, which has no equal in newer ones`,
      );
    }
    let result = [node];
    const tools = createTools(node, initializers, fresh, (nodes) => {
      result = nodes;
    });
    for (const [before, upgrade] of UPGRADES[node.opType] ?? []) if (opset < before) upgrade(tools);
    return result;
  });
  return { nodes: upgraded, initializers };

  function deepen(attribute: AttributeProto): AttributeProto {
    const deeper = (graph: GraphProto): GraphProto => {
      const inner = upgradeNodes(graph.node, opset, fresh);
      return { ...graph, node: inner.nodes, initializer: [...graph.initializer, ...inner.initializers] };
    };
    if (!attribute.g && attribute.graphs.length === 0) return { ...attribute };
    return {
      ...attribute,
      ...(attribute.g && { g: deeper(attribute.g) }),
      graphs: attribute.graphs.map(deeper),
    };
  }
}

function createTools(
  node: NodeProto,
  initializers: TensorProto[],
  fresh: (wanted: string) => string,
  replace: (nodes: NodeProto[]) => void,
): Upgrading {
  const find = (name: string) => node.attribute.find((attribute) => attribute.name === name);
  const drop = (...names: string[]): void => {
    node.attribute = node.attribute.filter(({ name }) => !names.includes(name));
  };
  const named = (role: string) => fresh(`${node.output[0] ?? node.name}_${role}`);
  const constant = (role: string, tensor: TensorParts): string => {
    const name = named(role);
    initializers.push(create(TensorProtoSchema, { ...tensor, name }));
    return name;
  };
  return {
    node,
    find,
    drop,
    replace,
    fresh: named,
    constant,
    set(attribute) {
      drop(attribute.name);
      node.attribute.push(attribute);
    },
    toInput(name, position, dataType = DataType.INT64) {
      const attribute = find(name);
      if (!attribute) return;
      const { type, i, f, ints, floats } = attribute;
      const isList = type === AttributeType.INTS || type === AttributeType.FLOATS;
      const count = isList ? ints.length + floats.length : 1;
      // Clip's bounds and Pad's value are numbers, TopK's k is a list of one.
      const dims = isList || name === "k" ? [BigInt(count)] : [];
      const values = isList ? { int64Data: ints, floatData: floats } : { int64Data: [i], floatData: [f] };
      const isFloat = dataType === DataType.FLOAT;
      while (node.input.length < position) node.input.push("");
      node.input[position] = constant(name, {
        dims,
        dataType,
        ...(isFloat ? { floatData: values.floatData } : { int64Data: values.int64Data }),
      });
      drop(name);
    },
  };
}
