/**
 * Nodes of older operator sets said in that of our files (21), for what is carried through as it is.
 *
 * Which versions changed what: https://github.com/onnx/onnx/blob/main/docs/Changelog.md
 */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { GenieError } from "../../../errors.ts";
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  TensorProto_DataType as DataType,
  type GraphProto,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
  TensorProtoSchema,
} from "../onnx_pb.ts";

type TensorParts = Omit<Exclude<MessageInitShape<typeof TensorProtoSchema>, TensorProto>, "$typeName">;

/** A node on its way to operator set 21. */
interface Upgrading {
  node: NodeProto;
  opset: number;
  /** Turns an attribute, if it is there, into the input at `position`: a constant of its own. */
  toInput(attribute: string, position: number, dataType?: DataType): void;
  drop(...attributes: string[]): void;
  find(attribute: string): AttributeProto | undefined;
  set(attribute: AttributeProto): void;
  /** A new value's name. */
  fresh(role: string): string;
  /** Adds an initializer. @returns its name. */
  constant(role: string, tensor: TensorParts): string;
  /** Nodes that stand in the place of this one; without a call it is the node itself. */
  replace(nodes: NodeProto[]): void;
}

type Upgrade = (upgrading: Upgrading) => void;

/** From before which operator set an operator has to be changed, and how. */
const UPGRADES: Readonly<Record<string, readonly [before: number, upgrade: Upgrade][]>> = {
  ...ofEach(
    ["Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor", "Equal", "Greater", "Less"],
    7,
    broadcast,
  ),
  ...ofEach(["ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2"], 18, axesToInput),
  ...ofEach(["ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"], 18, axesToInput),
  ...ofEach(["ReduceSum", "Squeeze", "Unsqueeze"], 13, axesToInput),
  ...ofEach(["Softmax", "LogSoftmax", "Hardmax"], 13, flattenAround),
  BatchNormalization: [[9, ({ drop }) => drop("is_test", "consumed_inputs", "spatial")]],
  Clip: [
    [
      11,
      ({ toInput }) => {
        toInput("min", 1, DataType.FLOAT);
        toInput("max", 2, DataType.FLOAT);
      },
    ],
  ],
  Concat: [[4, ({ find, set }) => find("axis") ?? set(int("axis", 1n))]],
  Dropout: [
    [
      12,
      ({ node, replace }) =>
        replace([nodeOf("Identity", node.name, node.input.slice(0, 1), node.output.slice(0, 1))]),
    ],
  ],
  Gemm: [[7, ({ drop }) => drop("broadcast")]],
  GridSample: [
    [20, ({ find, set }) => renameMode(find("mode"), { bilinear: "linear", bicubic: "cubic" }, set)],
  ],
  Pad: [
    [
      11,
      ({ toInput, find, set }) => {
        const old = find("paddings");
        if (old) set({ ...old, name: "pads" });
        toInput("pads", 1, DataType.INT64);
        toInput("value", 2, DataType.FLOAT);
      },
    ],
  ],
  Reshape: [[5, ({ toInput }) => toInput("shape", 1, DataType.INT64)]],
  Resize: [
    [
      11,
      ({ node, set }) => {
        const [x = "", scales = ""] = node.input;
        node.input = [x, "", scales];
        for (const attribute of ASYMMETRIC) set(attribute);
      },
    ],
  ],
  RoiAlign: [
    [
      16,
      ({ find, set }) =>
        find("coordinate_transformation_mode") ??
        set(text("coordinate_transformation_mode", "output_half_pixel")),
    ],
  ],
  Scatter: [
    [
      11,
      ({ node }) => {
        node.opType = "ScatterElements";
      },
    ],
  ],
  Slice: [
    [
      10,
      ({ toInput }) => {
        toInput("starts", 1, DataType.INT64);
        toInput("ends", 2, DataType.INT64);
        toInput("axes", 3, DataType.INT64);
      },
    ],
  ],
  Split: [
    [13, ({ toInput }) => toInput("split", 1, DataType.INT64)],
    [
      18,
      ({ node, find, set }) => {
        if (!node.input[1] && !find("num_outputs")) set(int("num_outputs", BigInt(node.output.length)));
      },
    ],
  ],
  TopK: [[10, ({ toInput }) => toInput("k", 1, DataType.INT64)]],
  Upsample: [
    [
      10,
      ({ node, toInput, set }) => {
        toInput("scales", 1, DataType.FLOAT);
        node.opType = "Resize";
        const [x = "", scales = ""] = node.input;
        node.input = [x, "", scales];
        for (const attribute of ASYMMETRIC) set(attribute);
      },
    ],
  ],
};

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

/** What Upsample and the first Resize did with positions. */
const ASYMMETRIC = [text("coordinate_transformation_mode", "asymmetric"), text("nearest_mode", "floor")];

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
    const tools = createTools(node, opset, initializers, fresh, (nodes) => {
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
  opset: number,
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
    opset,
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

function axesToInput({ toInput }: Upgrading): void {
  toInput("axes", 1, DataType.INT64);
}

/** Before operator set 7 the second operand began at `axis` of the first: axes of 1 behind it said so. */
function broadcast({ node, find, drop, fresh, replace, constant }: Upgrading): void {
  const axis = find("axis");
  drop("broadcast", "consumed_inputs", "axis");
  if (!axis) return;
  // [C] along axis 1 of [N, C, H, W]: with the first operand's rank unknown, its shape tells how many axes follow.
  const [a = "", b = ""] = node.input;
  const [shapeA, shapeB, behind, ones, target, aligned] = [
    "a",
    "b",
    "behind",
    "ones",
    "target",
    "aligned",
  ].map(fresh) as [string, string, string, string, string, string];
  const rankA = fresh("rank_a");
  const rankB = fresh("rank_b");
  const offset = fresh("offset");
  const start = constant("axis", { dims: [1n], dataType: DataType.INT64, int64Data: [axis.i] });
  const one = create(TensorProtoSchema, { dims: [1n], dataType: DataType.INT64, int64Data: [1n] });
  const op = (opType: string, input: string[], output: string, attribute: AttributeProto[] = []) =>
    nodeOf(opType, `${node.name}/${output}`, input, [output], attribute);
  replace([
    op("Shape", [a], shapeA),
    op("Shape", [b], shapeB),
    op("Shape", [shapeA], rankA),
    op("Shape", [shapeB], rankB),
    op("Sub", [rankA, rankB], offset),
    op("Sub", [offset, start], behind),
    op("ConstantOfShape", [behind], ones, [tensorAttribute("value", one)]),
    op("Concat", [shapeB, ones], target, [int("axis", 0n)]),
    op("Reshape", [b, target], aligned),
    { ...node, input: [a, aligned] },
  ]);
}

/** Before operator set 13, `axis` (1) and all behind it were one axis. */
function flattenAround({ node, find, fresh, replace }: Upgrading): void {
  const axis = find("axis")?.i ?? 1n;
  const [x = ""] = node.input;
  const [shape, flat, normalized] = ["shape", "flat", "normalized"].map(fresh) as [string, string, string];
  const op = (opType: string, input: string[], output: string, attribute: AttributeProto[] = []) =>
    nodeOf(opType, `${node.name}/${output}`, input, [output], attribute);
  replace([
    op("Shape", [x], shape),
    op("Flatten", [x], flat, [int("axis", axis)]),
    { ...node, input: [flat], output: [normalized], attribute: [int("axis", -1n)] },
    op("Reshape", [normalized, shape], node.output[0]!),
  ]);
}

function renameMode(
  mode: AttributeProto | undefined,
  names: Readonly<Record<string, string>>,
  set: (attribute: AttributeProto) => void,
): void {
  const old = new TextDecoder().decode(mode?.s);
  const name = Object.hasOwn(names, old) ? names[old] : undefined;
  if (name) set(text("mode", name));
}

function ofEach(
  operators: readonly string[],
  before: number,
  upgrade: Upgrade,
): Record<string, [number, Upgrade][]> {
  return Object.fromEntries(operators.map((operator) => [operator, [[before, upgrade]]]));
}

function nodeOf(
  opType: string,
  name: string,
  input: string[],
  output: string[],
  attribute: AttributeProto[] = [],
): NodeProto {
  return create(NodeProtoSchema, { opType, name, input, output, attribute });
}

function int(name: string, i: bigint): AttributeProto {
  return create(AttributeProtoSchema, { name, type: AttributeType.INT, i });
}

function text(name: string, value: string): AttributeProto {
  return create(AttributeProtoSchema, {
    name,
    type: AttributeType.STRING,
    s: new TextEncoder().encode(value),
  });
}

function tensorAttribute(name: string, t: TensorProto): AttributeProto {
  return create(AttributeProtoSchema, { name, type: AttributeType.TENSOR, t });
}
